"""Checkpoints of dense networks: ours, the user's and torchvision's."""

import copy
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from oraclecheck.errors import first_line
from oraclecheck.files import create_tensors, digest_of_tensors


@dataclass(frozen=True)
class Checkpoint:
    """A dense network's weights and where they come from."""

    state: dict[str, Tensor]  # the network's state dict, on the CPU
    history: list[dict[str, float]]  # test metrics of every epoch it was trained for; empty if trained elsewhere
    test_set: str = ""  # hash of what decides the metrics of its history; empty if trained elsewhere

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the tensors' names, types, shapes and bytes: the identity of the dense network."""
        return digest_of_tensors(self.state)


def load_model(folder: Path, network: nn.Module, model: str) -> Checkpoint:
    """The weights of a model's folder in the Hub's format.

    Raises:
        ValueError: If they cannot be read, or are no dense network's.
    """
    from oraclecheck.multimodal.llava import network_state  # it brings transformers, which takes seconds

    state = network_state(folder)
    if wrong := _wrong_tensor(network, state):
        raise ValueError(f"model.path must hold the weights of {model}; got {folder}, where {wrong}")
    return Checkpoint(state, [])


def load_checkpoint(path: Path, network: nn.Module, key: str, model: str) -> Checkpoint:
    """Read a checkpoint for a network: a state dict, or a mapping that holds one under `state_dict`, as ours do.

    What wrappers put before the names of all tensors, such as DataParallel's `module.`, is taken off.

    Args:
        path: The file.
        network: A network of the architecture it must have; a meta-device one will do.
        key: The configuration key that named the file, for messages.
        model: The model's name, for messages.

    Raises:
        ValueError: If there is no such file, it is not a checkpoint, or its tensors are another architecture's.
    """
    if not path.is_file():
        raise ValueError(f"{key} must be a file; got {path}")
    try:
        with warnings.catch_warnings():  # torch warns of quantised and sparse tensors, which are refused below
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        rule = f"{key} must hold tensors that torch.load(weights_only=True) reads"
        raise ValueError(f"{rule}; got {path}: {first_line(error)}") from None
    rule = f"{key} must hold a state dict of {model}; got {path}"
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not _is_state(state):
        raise ValueError(f"{rule}{_other_place(content)}")
    state = _renamed(state, network.state_dict())
    # Into a shadow, for torch's and torchvision's modules know the names that their tensors had in older files.
    loaded = copy.deepcopy(network).to("meta")
    difference = _wrong_tensor(network, state) or _load(loaded, state)
    if difference:
        raise ValueError(f"{rule}, where {difference}")
    tensors = {name: tensor.contiguous() for name, tensor in loaded.state_dict().items()}
    history = content.get("history")
    return Checkpoint(tensors, history if isinstance(history, list) else [], content.get("test_set", ""))


def save_checkpoint(path: Path, checkpoint: Checkpoint, about: Mapping[str, Any]) -> None:
    """Put a trained network in its place, unless another process has been quicker.

    Args:
        path: Where it is kept.
        checkpoint: The network.
        about: What else the file says, for whoever opens it.

    Raises:
        ValueError: If the file cannot be written.
    """
    measured = {"history": checkpoint.history, "test_set": checkpoint.test_set}
    content = {**about, **measured, "state_dict": checkpoint.state}
    create_tensors(path, content, "paths.out must have room for the dense network")


def _is_state(state: object) -> TypeGuard[Mapping[str, Tensor]]:
    return isinstance(state, Mapping) and all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in state.items()
    )


def _other_place(content: object) -> str:
    """Where else a checkpoint holds a state dict, as a hint."""
    parts = content.items() if isinstance(content, Mapping) else ()
    place = next((name for name, part in parts if _is_state(part) and part), None)
    return f", which holds one under {place!r}: save that alone" if place else ""


def _renamed(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The tensors under the network's own names, where wrappers put something before all of them.

    DataParallel puts `module.` before the names, Lightning the attribute that holds the network, and torch.compile
    `_orig_mod.` wherever a part is compiled.
    """
    if not any("_orig_mod." in name for name in expected):
        state = {name.replace("_orig_mod.", ""): tensor for name, tensor in state.items()}
    prefix = _common_prefix(state).removesuffix(_common_prefix(expected))
    return {name.removeprefix(prefix): tensor for name, tensor in state.items()}


def _common_prefix(names: Iterable[str]) -> str:
    """The modules, each with a dot behind it, that all tensors lie in."""
    levels = zip(*(name.split(".")[:-1] for name in names), strict=False)
    return "".join(f"{level[0]}." for level in takewhile(lambda level: len(set(level)) == 1, levels))


def _load(network: nn.Module, state: Mapping[str, Tensor]) -> str | None:
    """Load the tensors, or say why they cannot be loaded."""
    try:
        missing, unknown = network.load_state_dict(dict(state), strict=False, assign=True)
    except RuntimeError as error:  # a module of the user's that loads in a way of its own
        return f"loading raises {str(error).splitlines()[-1].strip()}"
    if not missing:
        return f"there is an unknown {unknown[0]}" if unknown else None
    name = missing[0]
    longer = next((other for other in state if other.endswith(f".{name}")), None)
    if longer is None:
        return f"{name} is missing"
    return f"{name} is called {longer}: save only the tensors under '{longer.removesuffix(name)}', without this prefix"


def _wrong_tensor(network: nn.Module, state: Mapping[str, Tensor]) -> str | None:
    """A tensor that cannot be a dense network's, if there is one."""
    parameters = dict(network.named_parameters())
    for name, expected in network.state_dict().items():
        tensor = state.get(name)
        if tensor is None:
            continue
        if tensor.is_meta:
            return f"{name} has no values, for it lies on the meta device"
        if tensor.is_quantized or tensor.layout != torch.strided:
            return f"{name} is {'quantised' if tensor.is_quantized else 'sparse'}: save it as an ordinary tensor"
        if tensor.is_complex() or tensor.is_floating_point() != expected.is_floating_point():
            return f"{name} is of type {tensor.dtype} instead of {expected.dtype}"
        if tensor.shape != expected.shape:
            return f"{name} has shape {tuple(tensor.shape)} instead of {tuple(expected.shape)}"
        values = tensor.detach().float()  # as the network will hold them
        if values.isnan().any() or (name in parameters and values.isinf().any()):  # a buffer may be a mask of -inf
            return f"{name} has values that are NaN or infinite"
    return None
