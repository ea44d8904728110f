"""Shadows of networks: their layers and shapes on the meta device, without memory for their weights."""

import copy
import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from oraclecheck.errors import tell
from oraclecheck.networks.target import check_targets


def build(network: dict[str, Any]) -> nn.Module:
    """A network by Hydra's description of it (`_target_` and arguments), initialised from torch's global generator."""
    return instantiate(network)


def shadow_network(network: dict[str, Any]) -> nn.Module:
    """The shadow of a network; made once in a process, so nobody may change it.

    Args:
        network: Hydra's description of it: `_target_` and arguments.

    Raises:
        ValueError: If it cannot be made.
    """
    shadow = next((shadow for described, shadow in _shadows if described == network), None)
    if shadow is None:
        shadow = _shadow_of(network)
        _shadows[:] = [*_shadows[1 - MOST_SHADOWS :], (copy.deepcopy(network), shadow)]
    return shadow


MOST_SHADOWS = 8
_shadows: list[tuple[dict[str, Any], nn.Module]] = []
"""The last networks and their shadows: the jobs of a sweep are of few, and a deep one takes a tenth of a second."""


def _shadow_of(network: dict[str, Any]) -> nn.Module:
    if "_target_" not in network:
        raise ValueError(f"model.network must name an importable class as its _target_; got {network}")
    check_targets(network, "model.network")
    try:
        made = make_shadow(lambda: build(network))
    except (Exception, SystemExit) as error:
        reason = error.__cause__ or error if isinstance(error, InstantiationException) else error
        raise ValueError(
            f"model.network must name an importable class and its arguments; got {network}: {tell(reason)}"
        ) from error
    if not isinstance(made, nn.Module):
        raise ValueError(f"model.network must make a torch.nn.Module; got {network}, which makes a {_type(made)}")
    return made


def identity(network: dict[str, Any]) -> dict[str, Any]:
    """What defines a network: its description, and for a class of the user's own the content of its file.

    An edited class would else go on in the studies of the one before. What that file imports is not looked at;
    installed packages are told by their version.
    """
    target = get_object(network["_target_"])
    if hasattr(target, "study_identity"):  # a description that names a folder says where, and not what
        return target.study_identity(network)
    if not target.__module__.startswith(("oraclecheck.", "torchvision.", "torch.")):
        file = inspect.getsourcefile(target)
        if file and "site-packages" not in Path(file).parts:
            return {**network, "source": hashlib.sha256(Path(file).read_bytes()).hexdigest()}
    return network


def make_shadow(make: Callable[[], nn.Module]) -> nn.Module:
    """The shadow of the network that a function makes; torch's random generator is left as it was.

    Networks that compute with tensors' values while they are made (torchvision's RegNets, drop-path rates read off a
    `linspace`) cannot be made on the meta device: they are made on the CPU and moved.
    """
    with torch.random.fork_rng(devices=[]):
        try:
            with torch.device("meta"):
                return make()
        except Exception:
            network = make()
    return to_meta(network) if isinstance(network, nn.Module) else network


def to_meta(network: nn.Module) -> nn.Module:
    """A copy of a network on the meta device, with the tensors that are neither parameters nor buffers."""
    shadow = copy.deepcopy(network).to("meta")
    for module in shadow.modules():
        for name, value in list(vars(module).items()):
            if isinstance(value, torch.Tensor):
                setattr(module, name, value.to("meta"))
    return shadow


def tensors_of(network: nn.Module) -> dict[str, torch.Tensor]:
    """All parameters and buffers of a network, those of no state dict too."""
    parameters = network.named_parameters(remove_duplicate=False)
    return {**dict(parameters), **dict(network.named_buffers(remove_duplicate=False))}


def fill(shadow: nn.Module, tensors: Mapping[str, torch.Tensor]) -> nn.Module:
    """Make a shadow, in place, the network whose parameters and buffers these are.

    Args:
        shadow: Its shadow, maybe without some buffers.
        tensors: See `tensors_of`; they are not copied.
    """
    for name, tensor in tensors.items():
        place, _, own = name.rpartition(".")
        module = shadow.get_submodule(place)
        if isinstance(tensor, nn.Parameter) or own in module._buffers:
            setattr(module, own, tensor)
        else:
            module.register_buffer(own, tensor, persistent=False)
    return shadow


def parameters_and_macs(network: nn.Module, input_shape: Sequence[int]) -> tuple[int, int]:
    """Parameters, and multiply-accumulates of convolutions and linear layers for one input.

    Nothing is computed: the counting runs on a copy on the meta device.

    Args:
        network: Any network.
        input_shape: Shape of one input without the batch, e.g. (1, 32, 32).
    """
    shadow = to_meta(network).eval()
    counter = FlopCounterMode(display=False)
    meta = torch.device("meta")
    own = getattr(shadow, "example", None)  # of a network that sees more than an image
    example = own(input_shape, meta) if own else torch.empty(1, *input_shape, device=meta)
    with torch.inference_mode(), counter:
        shadow(example)
    return sum(parameter.numel() for parameter in network.parameters()), counter.get_total_flops() // 2


def _type(value: object) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
