"""Structured pruning: a copy of the dense network, physically smaller, through torch-pruning's dependency graph."""

import copy
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch_pruning as tp
from torch import Tensor, nn

from oraclecheck.criteria.magnitude import l1_choice
from oraclecheck.networks.vit import SelfAttention
from oraclecheck.pruning.combination import CombinationSpace, LayerChoice, Removed
from oraclecheck.pruning.layers import filter_weights
from oraclecheck.pruning.normalisation import SLICED, RMSNormChannels, slice_normalisation

MOST_INDICES = 1_000_000
"""Of one layer that may hang on another's filters: those of a flattened map of 32 filters and 176x176 pixels."""


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
    CombinationSpace(_sizes(network, removed)).validate(removed)
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


def prune_as_released(
    network: nn.Module, removed: Removed, layers: Sequence[LayerChoice], example: Tensor
) -> nn.Module:
    """The network that the paper's released code builds for a combination (`wiring: released_code`).

    The pruned layer keeps the combination's filters, but the layers behind it keep the inputs that belong to the L1
    norm's choice at the same ratio, so that filter i feeds weights that were trained for another filter unless the
    combination is the L1 norm's own.
    """
    return prune(*as_released(network, removed, layers), example)


def as_released(network: nn.Module, removed: Removed, layers: Sequence[LayerChoice]) -> tuple[nn.Module, Removed]:
    """The dense network and combination whose correct pruning is the released code's pruning of these.

    A copy of the dense network has the filters that the combination keeps in the places of those that the L1 norm
    keeps, both in ascending order; then the L1 norm's choice goes.
    """
    CombinationSpace(_sizes(network, removed)).validate(removed)
    choice = l1_choice(network, layers)
    moved = copy.deepcopy(network)
    for name, gone in removed.items():
        for parameter in moved.get_submodule(name).parameters(recurse=False):
            filters = range(len(parameter))
            places = [i for i in filters if i not in choice[name]]
            parameter.data[places] = parameter.data[[i for i in filters if i not in gone]]
    return moved, choice


def _prune_filters(network: nn.Module, removed: Removed, example: Tensor) -> None:
    """Remove filters and hidden units from a network, in place."""
    modes = {module: module.training for module in network.modules()}
    names = {module: name for name, module in network.named_modules()}
    with torch.enable_grad():
        graph = _graph(network, example, removed)
        groups = [_group(graph, network, name, indices) for name, indices in removed.items()]
        for name, group in zip(removed, groups, strict=True):
            _refuse_grouped_convolutions(name, group, names)
        normalisations = _cut_once(groups, set(names))
        try:
            for group in groups:
                group.prune(record_history=False)
        except Exception as error:
            raise ValueError(
                f"pruning.ratio must name layers that torch-pruning can prune; at {_some(removed)} it raises "
                f"{brief(error)}"
            ) from error
    for module, channels in normalisations.items():
        slice_normalisation(names[module], module, sorted(channels))
    for module, training in modes.items():
        module.training = training


def ties(network: nn.Module, layers: Sequence[str], example: Tensor) -> dict[str, tuple[str, ...] | ValueError]:
    """Layer -> the other layers that torch-pruning would take outputs from with it, or why it would take none.

    Args:
        network: The dense network; it is not changed.
        layers: Convolutions and linear layers.
        example: One input batch, to trace the network with.

    Raises:
        ValueError: If the network cannot be traced.
    """
    network = copy.deepcopy(network)
    names = {module: name for name, module in network.named_modules()}
    found: dict[str, tuple[str, ...] | ValueError] = {}
    with torch.enable_grad():
        graph = _graph(network, example, layers)
        for name in layers:
            try:
                group = _group(graph, network, name, [0])
                _refuse_grouped_convolutions(name, group, names)
            except ValueError as error:
                found[name] = error
                continue
            losing = {
                dependency.target.module: None
                for dependency, _ in group.items[1:]
                if graph.is_out_channel_pruning_fn(dependency.handler)
            }
            found[name] = tuple(
                names[module]
                for module in losing
                if module in names and names[module] != name and outputs_of(module) is not None
            )
    return found


def outputs_of(module: nn.Module) -> int | None:
    """How many outputs a module has that mixes channels; None for others."""
    if isinstance(module, nn.modules.conv._ConvNd):
        return module.weight.shape[1] * module.groups if module.transposed else module.weight.shape[0]
    if isinstance(module, nn.Linear | nn.Bilinear):
        return module.weight.shape[0]
    if isinstance(module, nn.MultiheadAttention):
        return module.embed_dim
    if isinstance(module, SelfAttention):
        return module.heads
    if isinstance(module, nn.Embedding):
        return module.weight.shape[1]
    return module.hidden_size if isinstance(module, nn.RNNBase) else None


def _graph(network: nn.Module, example: Tensor, layers: Iterable[str]) -> tp.DependencyGraph:
    try:
        graph = tp.DependencyGraph()
        graph.register_customized_layer(nn.RMSNorm, RMSNormChannels())
        return graph.build_dependency(network, (example,), verbose=False)
    except Exception as error:
        raise ValueError(
            f"model.network must be one that torch-pruning can trace, to prune {_some(layers)}; it raises "
            f"{brief(error)}"
        ) from error


def _refuse_grouped_convolutions(pruned: str, group: tp.dependency.Group, names: dict[nn.Module, str]) -> None:
    """torch-pruning slices them by count, so that filters would meet weights of other groups."""
    for dependency, _ in group.items:
        layer = dependency.target.module
        if isinstance(layer, nn.modules.conv._ConvNd) and layer.groups > 1:
            if layer.groups == layer.in_channels == layer.out_channels:
                continue
            raise ValueError(
                f"pruning.ratio must not take channels from grouped convolutions, whose groups would lose different "
                f"numbers of them; {names[layer]}, with {layer.groups} groups, loses channels without filters of "
                f"{pruned}"
            )


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


def _some(layers: Iterable[str]) -> str:
    return ", ".join(list(layers)[:3])


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
        with _bounded_groups():
            return graph.get_pruning_group(layer, function, idxs=list(indices))
    except Exception as error:
        raise ValueError(
            f"pruning.ratio must name layers that torch-pruning can trace; {name} is none: {brief(error)}"
        ) from error


@contextmanager
def _bounded_groups() -> Iterator[None]:
    """Stop torch-pruning where indices multiply, as behind windows that are rolled and cut, before memory is full."""
    add = tp.dependency.Group.add_dep

    def add_bounded(group: tp.dependency.Group, dep: Any, idxs: Sequence[Any]) -> None:
        if len(idxs) > MOST_INDICES:
            raise ValueError(f"more than {MOST_INDICES:,} indices of one layer hang on its filters")
        add(group, dep, idxs)

    tp.dependency.Group.add_dep = add_bounded
    try:
        yield
    finally:
        tp.dependency.Group.add_dep = add


def brief(error: Exception) -> str:
    """An exception on one line."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
