"""Structured pruning: a copy of the dense network, physically smaller, through torch-pruning's dependency graph."""

import copy
from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch_pruning as tp
from torch import Tensor, nn

from oraclecheck.errors import tell
from oraclecheck.networks.attention import SelfAttention
from oraclecheck.pruning.combination import LayerChoice, Removed
from oraclecheck.pruning.dependency import dependency_graph, filter_group
from oraclecheck.pruning.layers import filter_weights
from oraclecheck.pruning.normalisation import SLICED, slice_normalisation
from oraclecheck.spelling import spell_names


def prune(network: nn.Module, removed: Removed, example: Tensor) -> nn.Module:
    """A copy of `network` without the removed filters and everything that only they feed.

    torch-pruning's index mapping is believed here; `proof.prove` is what tells whether it may be.

    Args:
        network: The dense network; it is not changed.
        removed: Layer name -> indices of its removed filters, in the dense numbering.
        example: One input batch, to trace the network with.

    Raises:
        ValueError: If an index is duplicated, negative or out of range (torch-pruning checks none of these), the
            network cannot be traced, or a normalisation cannot lose these channels.
    """
    for name, filters in removed.items():
        LayerChoice(name, len(filter_weights(network, name)), len(filters)).validate(filters)
    pruned = copy.deepcopy(network)
    attentions = {name: each for name in removed if isinstance(each := pruned.get_submodule(name), SelfAttention)}
    others = {name: filters for name, filters in removed.items() if name not in attentions}
    if others:
        _prune_filters(pruned, others, example)
    for name, attention in attentions.items():
        attention.remove_heads(removed[name])
    trained = {name: each.requires_grad for name, each in network.named_parameters(remove_duplicate=False)}
    for name, parameter in pruned.named_parameters(remove_duplicate=False):
        parameter.requires_grad_(trained[name])
    return pruned


def as_released(network: nn.Module, removed: Removed, behind: Removed) -> nn.Module:
    """The network without whose filters `behind` is what the paper's released code builds for a combination.

    There (`wiring: released_code`) the pruned layer keeps the combination's filters, but the layers behind it keep the
    inputs that belong to another choice, the L1 norm's at the same ratio, so that filter i feeds weights that were
    trained for another filter unless the combination is that choice. So in this copy of the dense network the filters
    that the combination keeps are in the places of those that `behind` keeps, both in ascending order.

    Args:
        network: The dense network; it is not changed.
        removed: Layer name -> indices of its removed filters, in the dense numbering.
        behind: The filters whose inputs the layers behind lose, as many of the same layers.

    Raises:
        ValueError: If an index is duplicated, negative or out of range, or one does not remove as many filters of the
            same layers as the other.
    """
    if behind.keys() != removed.keys():
        raise ValueError(f"behind must name the layers of removed, {spell_names(removed)}; got {spell_names(behind)}")
    moved = copy.deepcopy(network)
    for name, gone in removed.items():
        layer = LayerChoice(name, len(filter_weights(network, name)), len(gone))
        layer.validate(gone)
        layer.validate(behind[name])
        for parameter in moved.get_submodule(name).parameters(recurse=False):
            filters = set(range(layer.filters))
            parameter.data[sorted(filters - {*behind[name]})] = parameter.data[sorted(filters - {*gone})]
    return moved


def _prune_filters(network: nn.Module, removed: Removed, example: Tensor) -> None:
    """Remove filters and hidden units from a network, in place."""
    modes = {module: module.training for module in network.modules()}
    names = {module: name for name, module in network.named_modules()}
    with torch.enable_grad():
        graph = dependency_graph(network, example, removed)
        groups = [filter_group(graph, network, name, indices) for name, indices in removed.items()]
        cuts, normalisations = _merged([item for group in groups for item in group.items], set(names))
        groups[0].items[:] = cuts
        try:
            groups[0].prune(record_history=False)
        except Exception as error:
            raise ValueError(
                f"pruning.ratio must name layers that torch-pruning can prune; at {spell_names(removed)} it raises "
                f"{tell(error)}"
            ) from error
    for module, channels in normalisations.items():
        slice_normalisation(names[module], module, sorted(channels))
    for module, training in modes.items():
        module.training = training


def _merged(
    items: Iterable[tuple[tp.Dependency, Sequence[Any]]], modules: set[nn.Module]
) -> tuple[Iterable[tuple[tp.Dependency, Sequence[Any]]], dict[nn.Module, set[int]]]:
    """What groups take from layers, from each all at once, and what they take from normalisations.

    Two branches that are concatenated cut the same layer behind them. Every group counts in the dense numbering, which
    holds for the first cut alone.
    """
    cuts: dict[object, tuple[tp.Dependency, Sequence[Any]]] = {}
    normalisations: dict[nn.Module, set[int]] = {}
    for dependency, indices in items:
        target = dependency.target.module
        if isinstance(target, SLICED):
            normalisations.setdefault(target, set()).update(map(_plain, indices))
            continue
        is_operation = not isinstance(target, nn.Parameter) and target not in modules
        key = object() if is_operation else (target, dependency.handler.__name__)
        if key in cuts:
            dependency, earlier = cuts[key]
            indices = sorted({_plain(index) for index in [*earlier, *indices]})
        cuts[key] = dependency, indices
    return cuts.values(), normalisations


def _plain(index: Any) -> int:
    """torch-pruning wraps an index when it has to remember where it came from."""
    return int(getattr(index, "idx", index))
