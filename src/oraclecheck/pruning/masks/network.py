"""A network whose weights are masked, and that carries its masks, so that whoever trains it can keep them."""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

_BUFFER = "removed_weights"
"""Of a masked layer; no part of the network's state."""


def weights_of(network: nn.Module, layers: Iterable[str]) -> dict[str, Tensor]:
    """Layer -> its weights."""
    found = {}
    for name in layers:
        weight = network.get_submodule(name).weight
        assert isinstance(weight, Tensor)
        found[name] = weight
    return found


def mask(network: nn.Module, masks: Mapping[str, Tensor]) -> nn.Module:
    """A copy of a network in which the masked weights are 0.

    Args:
        network: The dense network; it is not changed.
        masks: Layer -> mask of its weights, True where the weight goes.
    """
    masked = copy.deepcopy(network)
    for name, removed in masks.items():
        layer = masked.get_submodule(name)
        layer.register_buffer(_BUFFER, removed.to(next(layer.parameters()).device), persistent=False)
    hold(masked_weights(masked))
    return masked


def masked_weights(network: nn.Module) -> list[tuple[nn.Parameter, Tensor]]:
    """The weights of a network that are masked, and their masks; none of a network that `mask` has not made."""
    found = []
    for layer in network.modules():
        if _BUFFER in layer._buffers:
            weight, removed = layer.weight, layer.get_buffer(_BUFFER)
            assert isinstance(weight, nn.Parameter)
            found.append((weight, removed))
    return found


def cut_masks(network: nn.Module) -> None:
    """Cut the masks of a network whose weights were cut into shards (DTensors), each as its weight is.

    Each rank keeps its own shards of them, by which it holds its own of weights and gradients and asks nobody.
    """
    from torch.distributed.tensor import distribute_tensor  # takes half a second, and hardly anyone needs it

    for layer in network.modules():
        if _BUFFER in layer._buffers:
            weight: Any = layer.weight
            removed = layer.get_buffer(_BUFFER)
            cut = distribute_tensor(removed, weight.device_mesh, weight.placements, src_data_rank=None)
            layer._buffers[_BUFFER] = cut.to_local().clone()  # a view would keep the whole mask


@torch.no_grad()
def hold(masked: Iterable[tuple[nn.Parameter, Tensor]]) -> None:
    """Set masked weights to 0."""
    for weight, removed in masked:
        _here(weight).masked_fill_(removed, 0)


@torch.no_grad()
def hold_gradients(masked: Iterable[tuple[nn.Parameter, Tensor]]) -> None:
    """Set the gradients of masked weights to 0, be they NaN."""
    for weight, removed in masked:
        if weight.grad is not None:
            _here(weight.grad).masked_fill_(removed, 0)


def count_removed(network: nn.Module) -> int:
    """How many weights of a network are masked."""
    return sum(int(removed.sum()) for _, removed in masked_weights(network))


def _here(tensor: Any) -> Tensor:
    """What of a tensor this rank holds, in the same memory; all of it, unless it is cut into shards."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor
