"""Structured pruning: a copy of the dense network, physically smaller, through torch-pruning's dependency graph."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
import torch_pruning as tp
from torch import Tensor, nn

from oraclecheck.criteria.magnitude import l1_choice
from oraclecheck.networks.vit import SelfAttention
from oraclecheck.pruning.combination import CombinationSpace, LayerChoice, Removed
from oraclecheck.pruning.layers import filter_weights

MOST_NAMES = 4  # in a sentence; a residual stream ties dozens of layers


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
    heads = {name for name in removed if isinstance(network.get_submodule(name), SelfAttention)}
    if heads != set(removed):
        _prune_filters(pruned, {name: removed[name] for name in removed if name not in heads}, example, behind)
    for name in heads:
        attention = pruned.get_submodule(name)
        assert isinstance(attention, SelfAttention)
        attention.remove_heads(removed[name])
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


def _prune_filters(network: nn.Module, removed: Removed, example: Tensor, behind: Removed | None) -> None:
    """Remove filters and hidden units from a network, in place."""
    modes = {module: module.training for module in network.modules()}
    with torch.enable_grad():
        try:
            graph = tp.DependencyGraph().build_dependency(network, (example,), verbose=False)
        except Exception as error:
            raise ValueError(
                f"model.network must be one that torch-pruning can trace, to prune {', '.join(list(removed)[:3])}; it "
                f"raises {brief(error)}"
            ) from error
        groups = [_group(graph, network, name, indices) for name, indices in removed.items()]
        for group, name in zip(groups, removed, strict=True):
            if behind is not None:
                for position, item in enumerate(_group(graph, network, name, behind[name])[1:], start=1):
                    group[position] = item
        _cut_once(groups, network)
        for group in groups:
            group.prune()
    for module, training in modes.items():
        module.training = training


def _cut_once(groups: Sequence[tp.dependency.Group], network: nn.Module) -> None:
    """Let each layer lose at once all that the groups take from it, in place.

    Two branches that are concatenated cut the same layer behind them. Every group counts in the dense numbering, which
    holds for the first cut alone.
    """
    modules = set(network.modules())
    first: dict[tuple[nn.Module, str], tuple[tp.dependency.Group, int]] = {}
    for group in groups:
        for position in range(len(group)):
            dependency, indices = group[position]
            key = (dependency.target.module, dependency.handler.__name__)
            if key[0] not in modules:
                continue
            if key not in first:
                first[key] = (group, position)
                continue
            home, at = first[key]
            cuts = {_plain(index) for index in [*home[at][1], *indices]}
            home[at] = type(home[at])(home[at][0], sorted(cuts))
            group[position] = type(home[at])(dependency, [])


def _plain(index: Any) -> int:
    """torch-pruning wraps an index when it has to remember where it came from."""
    return int(getattr(index, "idx", index))


def _sizes(network: nn.Module, removed: Removed) -> tuple[LayerChoice, ...]:
    filters = {name: len(filter_weights(network, name)) for name in removed}
    return tuple(LayerChoice(name, filters[name], len(removed[name])) for name in removed)


def _group(graph: tp.DependencyGraph, network: nn.Module, name: str, indices: Sequence[int]) -> tp.dependency.Group:
    """Everything that changes when filters of one layer go: that layer first, then what lies behind it."""
    layer = network.get_submodule(name)
    is_convolution = isinstance(layer, nn.Conv2d)
    function = tp.prune_conv_out_channels if is_convolution else tp.prune_linear_out_channels
    try:
        group = graph.get_pruning_group(layer, function, idxs=list(indices))
    except Exception as error:
        raise ValueError(
            f"pruning.ratio must name layers that torch-pruning can trace; {name} is none: {brief(error)}"
        ) from error
    coupled = [
        other
        for other, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear) and module is not layer
        for dependency, _ in group[1:]
        if dependency.target.module is module and graph.is_out_channel_pruning_fn(dependency.handler)
    ]
    if coupled:
        others = ", ".join(coupled[:MOST_NAMES]) + (f" and {n} others" if (n := len(coupled) - MOST_NAMES) > 0 else "")
        raise ValueError(
            f"pruning.ratio must name layers that can lose filters alone; those of {name} are coupled with those of "
            f"{others}"
        )
    return group


def brief(error: Exception) -> str:
    """An exception on one line."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
