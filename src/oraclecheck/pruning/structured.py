"""Structured pruning: a copy of the dense network, physically smaller, through torch-pruning's dependency graph."""

import copy
from collections.abc import Sequence

import torch
import torch_pruning as tp
from torch import Tensor, nn

from oraclecheck.criteria.magnitude import l1_choice
from oraclecheck.pruning.combination import CombinationSpace, LayerChoice, Removed


def prune(network: nn.Module, removed: Removed, example: Tensor, *, behind: Removed | None = None) -> nn.Module:
    """A copy of `network` without the removed filters and everything that only they feed.

    Args:
        network: The dense network; it is not changed.
        removed: Layer name -> indices of its removed filters, in the dense numbering.
        example: One input batch, to trace the network with.
        behind: If given, what lies behind each pruned layer (BatchNorm and the next layer's inputs) loses these
            channels instead: the wiring of the paper's released code. None prunes correctly.

    Raises:
        ValueError: If an index is duplicated, negative or out of range (torch-pruning checks none of these), or if a
            layer cannot be pruned alone.
    """
    for chosen in (removed, behind or removed):
        CombinationSpace(_sizes(network, chosen)).validate(chosen)
    pruned = copy.deepcopy(network)
    modes = {module: module.training for module in pruned.modules()}
    with torch.enable_grad():
        graph = tp.DependencyGraph().build_dependency(pruned, (example,))
        groups = [_group(graph, pruned, name, indices) for name, indices in removed.items()]
        for group, name in zip(groups, removed, strict=True):
            if behind is not None:
                for position, item in enumerate(_group(graph, pruned, name, behind[name])[1:], start=1):
                    group[position] = item
            group.prune()
    for module, training in modes.items():
        module.training = training
    return pruned


def prune_as_released(
    network: nn.Module, removed: Removed, layers: Sequence[LayerChoice], example: Tensor
) -> nn.Module:
    """The network that the paper's released code builds for a combination (`wiring: released_code`).

    The pruned layer keeps the combination's filters, but the layers behind it keep the inputs that belong to the L1
    norm's choice at the same ratio, so that filter i feeds weights that were trained for another filter unless the
    combination is the L1 norm's own.
    """
    return prune(network, removed, example, behind=l1_choice(network, layers))


def _sizes(network: nn.Module, removed: Removed) -> tuple[LayerChoice, ...]:
    filters = {name: len(network.get_parameter(f"{name}.weight")) for name in removed}
    return tuple(LayerChoice(name, filters[name], len(removed[name])) for name in removed)


def _group(graph: tp.DependencyGraph, network: nn.Module, name: str, indices: Sequence[int]) -> tp.dependency.Group:
    """Everything that changes when filters of one layer go: that layer first, then what lies behind it."""
    layer = network.get_submodule(name)
    is_convolution = isinstance(layer, nn.Conv2d)
    function = tp.prune_conv_out_channels if is_convolution else tp.prune_linear_out_channels
    group = graph.get_pruning_group(layer, function, idxs=list(indices))
    coupled = [
        other
        for other, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear) and module is not layer
        for dependency, _ in group[1:]
        if dependency.target.module is module and graph.is_out_channel_pruning_fn(dependency.handler)
    ]
    if coupled:
        raise ValueError(
            f"pruning.ratio must name layers that can lose filters alone; those of {name} are coupled with those of "
            f"{', '.join(coupled)}"
        )
    return group
