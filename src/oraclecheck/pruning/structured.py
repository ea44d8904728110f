"""Structured pruning: a copy of the dense network, physically smaller, through torch-pruning's dependency graph."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
import torch_pruning as tp
from torch import Tensor, nn

from oraclecheck.errors import tell
from oraclecheck.networks.vit import SelfAttention
from oraclecheck.pruning.combination import LayerChoice, Removed
from oraclecheck.pruning.dependency import dependency_graph, filter_group, refuse_grouped_convolutions
from oraclecheck.pruning.layers import filter_weights
from oraclecheck.pruning.normalisation import SLICED, slice_normalisation
from oraclecheck.pruning.space import CombinationSpace
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
    _space(network, removed).validate(removed)
    pruned = copy.deepcopy(network)
    heads = {name for name in removed if isinstance(network.get_submodule(name), SelfAttention)}
    if heads != set(removed):
        _prune_filters(pruned, {name: removed[name] for name in removed if name not in heads}, example)
    for name in heads:
        attention = pruned.get_submodule(name)
        assert isinstance(attention, SelfAttention)
        attention.remove_heads(removed[name])
    trained = {name: each.requires_grad for name, each in network.named_parameters(remove_duplicate=False)}
    for name, parameter in pruned.named_parameters(remove_duplicate=False):
        parameter.requires_grad_(trained[name])
    return pruned


def prune_as_released(network: nn.Module, removed: Removed, behind: Removed, example: Tensor) -> nn.Module:
    """The network that the paper's released code builds for a combination (`wiring: released_code`).

    The pruned layer keeps the combination's filters, but the layers behind it keep the inputs that belong to another
    choice, the L1 norm's at the same ratio, so that filter i feeds weights that were trained for another filter unless
    the combination is that choice.

    Args:
        network: The dense network; it is not changed.
        removed: Layer name -> indices of its removed filters, in the dense numbering.
        behind: The filters whose inputs the layers behind lose, as many of the same layers.
        example: One input batch, to trace the network with.

    Raises:
        ValueError: As `prune` does, and if one does not remove as many filters as the other.
    """
    return prune(*as_released(network, removed, behind), example)


def as_released(network: nn.Module, removed: Removed, behind: Removed) -> tuple[nn.Module, Removed]:
    """The dense network and combination whose correct pruning is the released code's pruning of these.

    A copy of the dense network has the filters that the combination keeps in the places of those that `behind` keeps,
    both in ascending order; then `behind` goes. See `prune_as_released`.
    """
    space = _space(network, removed)
    space.validate(removed)
    space.validate(behind)
    moved = copy.deepcopy(network)
    for name, gone in removed.items():
        for parameter in moved.get_submodule(name).parameters(recurse=False):
            filters = range(len(parameter))
            places = [i for i in filters if i not in behind[name]]
            parameter.data[places] = parameter.data[[i for i in filters if i not in gone]]
    return moved, behind


def _prune_filters(network: nn.Module, removed: Removed, example: Tensor) -> None:
    """Remove filters and hidden units from a network, in place."""
    modes = {module: module.training for module in network.modules()}
    names = {module: name for name, module in network.named_modules()}
    with torch.enable_grad():
        graph = dependency_graph(network, example, removed)
        groups = [filter_group(graph, network, name, indices) for name, indices in removed.items()]
        for name, group in zip(removed, groups, strict=True):
            refuse_grouped_convolutions(name, group, names)
        normalisations = _cut_once(groups, set(names))
        try:
            for group in groups:
                group.prune(record_history=False)
        except Exception as error:
            raise ValueError(
                f"pruning.ratio must name layers that torch-pruning can prune; at {spell_names(removed)} it raises "
                f"{tell(error)}"
            ) from error
    for module, channels in normalisations.items():
        slice_normalisation(names[module], module, sorted(channels))
    for module, training in modes.items():
        module.training = training


def _cut_once(groups: Sequence[tp.dependency.Group], modules: set[nn.Module]) -> dict[nn.Module, set[int]]:
    """Let each layer lose at once all that the groups take from it, in place; gives what normalisations lose.

    Two branches that are concatenated cut the same layer behind them. Every group counts in the dense numbering, which
    holds for the first cut alone.
    """
    normalisations: dict[nn.Module, set[int]] = {}
    first: dict[tuple[Any, str], tuple[list[Any], int]] = {}
    remaining: list[list[Any]] = [[] for _ in groups]
    for group, left in zip(groups, remaining, strict=True):
        for item in group.items:
            dependency, indices = item
            target = dependency.target.module
            key = (target, dependency.handler.__name__)
            if isinstance(target, SLICED):
                normalisations.setdefault(target, set()).update(map(_plain, indices))
            elif key in first:
                home, at = first[key]
                cuts = {_plain(index) for index in [*home[at][1], *indices]}
                home[at] = type(item)(home[at][0], sorted(cuts))
            else:
                if isinstance(target, nn.Parameter) or target in modules:  # no operation between them
                    first[key] = (left, len(left))
                left.append(item)
    for group, left in zip(groups, remaining, strict=True):
        group.items[:] = left
    return normalisations


def _plain(index: Any) -> int:
    """torch-pruning wraps an index when it has to remember where it came from."""
    return int(getattr(index, "idx", index))


def _space(network: nn.Module, removed: Removed) -> CombinationSpace:
    """The combinations that remove as many filters of the same layers."""
    return CombinationSpace(
        tuple(LayerChoice(name, len(filter_weights(network, name)), len(removed[name])) for name in removed)
    )
