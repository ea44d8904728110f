"""Which networks are chains that lanes.hpp has layers for, and what its template arguments are for them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from oraclecheck.errors import tell

RULE = (
    "model.network must be a chain of convolutions, each with max-pooling by 2 and ReLU or down to one pixel, and "
    "linear layers for engine=lanes"
)
INSTEAD = "choose engine=lightning"


@dataclass(frozen=True)
class Chain:
    """A network as lanes.hpp computes it.

    Attributes:
        shape: Channels, height and width of an image.
        layers: Names of the convolutions and linear layers, in the order in which images go through them.
        kinds: What lanes.hpp calls each of them, with its shapes.
    """

    shape: tuple[int, ...]
    layers: tuple[str, ...]
    kinds: tuple[str, ...]

    @property
    def source(self) -> str:
        """The C++ of a library for this chain."""
        channels, height, width = self.shape
        arguments = ", ".join([str(channels), str(height * width), *(f"lanes::{kind}" for kind in self.kinds)])
        return f'#include "lanes.hpp"\nusing Network = lanes::Chain<{arguments}>;\nLANES_LIBRARY(Network)\n'

    def parameters(self, network: nn.Module) -> list[nn.Parameter]:
        """The parameters of a network of this chain, in the order in which lanes.hpp takes them."""
        layers: list[Any] = [network.get_submodule(name) for name in self.layers]
        return [parameter for layer in layers for parameter in (layer.weight, layer.bias)]


def chain_of(network: nn.Module, shape: Sequence[int]) -> Chain:
    """The chain that a network is.

    Args:
        network: It may be a shadow.
        shape: Channels, height and width of an image.

    Raises:
        ValueError: If it is none; names the first layer that does not belong.
    """
    layers: list[str] = []
    kinds: list[str] = []
    current = list(shape)  # what comes out so far: (channels, height, width), or (features,) once it is flattened
    for name, behind in _layers_of_both_modes(network):
        if name in layers:
            raise _refusal(name, "is used twice")
        if name:
            make = _convolution if len(current) == 3 else _linear
            kind, current = make(name, network.get_submodule(name), current, behind)
            layers.append(name)
            kinds.append(kind)
        elif behind not in ([], ["flatten"]):
            raise _refusal(behind[0], "comes before every layer")
        if "flatten" in behind:
            current = [math.prod(current)]
    if len(current) != 1 or not layers:
        raise ValueError(f"{RULE}; it does not end in a row of classes: {INSTEAD}")
    chain = Chain(tuple(shape), tuple(layers), tuple(kinds))
    if len({id(parameter) for parameter in chain.parameters(network)}) < 2 * len(layers):
        raise ValueError(f"{RULE}; two of its layers share parameters: {INSTEAD}")
    return chain


def _layers_of_both_modes(network: nn.Module) -> list[tuple[str, list[str]]]:
    """See `_layers`; what a network does in training and in evaluation must be the same."""
    for name, module in network.named_modules():
        if any((module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)):
            raise _refusal(name or type(module).__name__, "has hooks")
    modes = {module: module.training for module in network.modules()}
    try:
        training, evaluation = (_layers(network.train(mode)) for mode in (True, False))
    finally:
        for module, mode in modes.items():
            module.training = mode
    if training != evaluation:
        raise _refusal(type(network).__name__, "does something else in training than in evaluation")
    return training


def _layers(network: nn.Module) -> list[tuple[str, list[str]]]:
    """Names of the convolutions and linear layers, each with what comes behind it; first what comes before all."""
    found: list[tuple[str, list[str]]] = [("", [])]
    for step, name in _steps(network):
        if step == "layer":
            found.append((name, []))
        elif step == "pool" and "pool" in found[-1][1]:
            raise _refusal(name, "pools again")
        else:
            found[-1][1].append(step)
    return found


def _convolution(name: str, layer: Any, current: list[int], behind: Sequence[str]) -> tuple[str, list[int]]:
    """What lanes.hpp calls a convolution, and what comes out of it."""
    channels, height, width = current
    _check_layer(name, layer, nn.Conv2d, layer.weight.shape[1] == channels, current)
    kernel, filters = layer.kernel_size[0], layer.out_channels
    if height == width == kernel and "pool" not in behind:
        return _kind(channels * height * width, filters, behind), [filters, 1, 1]
    if "pool" not in behind or "relu" not in behind:
        raise _refusal(name, "is not followed by max-pooling by 2 and ReLU")
    after = [filters, (height - kernel + 1) // 2, (width - kernel + 1) // 2]
    if min(after) < 1:
        raise _refusal(name, "leaves nothing to pool")
    return f"Conv<{channels}, {height}, {width}, {filters}, {kernel}>", after


def _linear(name: str, layer: Any, current: list[int], behind: Sequence[str]) -> tuple[str, list[int]]:
    """The same of a linear layer."""
    _check_layer(name, layer, nn.Linear, layer.weight.shape[1] == current[0], current)
    if "pool" in behind:
        raise _refusal(name, "is followed by max-pooling")
    return _kind(layer.in_features, layer.out_features, behind), [layer.out_features]


def _check_layer(name: str, layer: Any, kind: type[nn.Module], fits: bool, current: list[int]) -> None:
    if type(layer) is not kind or not fits:
        raise _refusal(name, f"does not fit what comes before it, of shape {current}")
    if layer.bias is None or layer.weight.dtype != torch.float32:
        raise _refusal(name, "has no bias" if layer.bias is None else f"is of {layer.weight.dtype}")
    if not layer.weight.requires_grad or not layer.bias.requires_grad:
        raise _refusal(name, "is frozen")


def _kind(inputs: int, outputs: int, behind: Sequence[str]) -> str:
    return f"Linear<{inputs}, {outputs}, {'true' if 'relu' in behind else 'false'}>"


def _steps(network: nn.Module) -> Iterator[tuple[str, str]]:
    """What a network does to images, one thing after the other: (what, name of the layer or of the function)."""
    try:
        graph = fx.symbolic_trace(network).graph
    except Exception as error:  # whatever a network's own code raises where it sees no numbers
        raise ValueError(f"{RULE}; its forward cannot be followed ({tell(error)}): {INSTEAD}") from error
    (node, *others) = graph.find_nodes(op="placeholder")
    if others:
        raise _refusal(others[0].name, "is a second input")
    while True:
        users = [user for user in node.users if not _is_shape(user)]
        if len(users) != 1:
            raise _refusal(_name(node), f"is used {len(users)} times")
        before, node = node, users[0]
        if node.op == "output":
            return
        if any(other is not before and not _is_shape(other) for other in node.all_input_nodes):
            raise _refusal(_name(node), "takes more than what comes before it")
        step = _step(network, node)
        if step != "nothing":
            yield step, _name(node)


def _step(network: nn.Module, node: fx.Node) -> str:
    """What a node does: "layer", "pool", "relu", "flatten" or "nothing"."""
    if node.op == "call_module":
        return _step_of_module(network.get_submodule(str(node.target)), _name(node))
    arguments, options = node.args[1:], dict(node.kwargs)
    if node.target in (functional.relu, torch.relu, "relu"):
        return "relu"
    if node.target in (functional.max_pool2d, torch.max_pool2d):
        names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
        given = {**dict(zip(names, arguments, strict=False)), **options}
        if options.get("return_indices") or not _pools_by_two(*(given.get(name) for name in names)):
            raise _refusal(_name(node), "does not pool 2 x 2 pixels into one")
        return "pool"
    if node.target in (torch.flatten, "flatten") and (*arguments, *options.items()) in (
        (1,),
        (1, -1),
        (("start_dim", 1),),
    ):
        return "flatten"
    if node.target in ("view", "reshape") and len(arguments) == 2 and not isinstance(arguments[1], fx.Node):
        return "flatten"
    raise _refusal(_name(node), "is something else")


def _step_of_module(module: nn.Module, name: str) -> str:
    if type(module) is nn.Conv2d:
        plain = (module.stride, module.padding, module.dilation, module.groups) == ((1, 1), (0, 0), (1, 1), 1)
        if not plain or module.kernel_size[0] != module.kernel_size[1]:
            raise _refusal(name, "has a stride, a padding, a dilation, groups or a kernel that is no square")
        return "layer"
    if type(module) is nn.MaxPool2d:
        said = (module.kernel_size, module.stride, module.padding, module.dilation, module.ceil_mode)
        if module.return_indices or not _pools_by_two(*said):
            raise _refusal(name, "does not pool 2 x 2 pixels into one")
        return "pool"
    if type(module) is nn.Flatten and (module.start_dim, module.end_dim) == (1, -1):
        return "flatten"
    known = {nn.Linear: "layer", nn.ReLU: "relu", nn.Identity: "nothing"}
    if type(module) not in known:
        raise _refusal(name, f"is a {type(module).__name__}")
    return known[type(module)]


def _pools_by_two(kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: Any) -> bool:
    two, none, one = (2, [2, 2], (2, 2)), (None, 0, [0, 0], (0, 0)), (None, 1, [1, 1], (1, 1))
    return bool(kernel in two and stride in (None, [], *two) and padding in none and dilation in one and not ceil)


def _is_shape(node: fx.Node) -> bool:
    """Whether a node is a number of a tensor's shape, such as the images of a batch, and no tensor."""
    if node.op == "call_method":
        return node.target == "size"
    target: Any = node.target
    if node.op == "call_function" and target is getattr:
        return bool(node.args[1] == "shape")
    parent = node.args[0] if node.args else None
    return getattr(target, "__name__", "") == "getitem" and isinstance(parent, fx.Node) and _is_shape(parent)


def _name(node: fx.Node) -> str:
    return str(node.target) if node.op == "call_module" else node.name


def _refusal(name: str, why: str) -> ValueError:
    return ValueError(f"{RULE}; its {name!r} {why}: {INSTEAD}")
