"""What hangs on a layer's filters, by torch-pruning's dependency graph."""

import copy
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch_pruning as tp
from torch import Tensor, nn

from oraclecheck.errors import tell
from oraclecheck.pruning.layers import outputs_of
from oraclecheck.spelling import spell_names

MOST_INDICES = 1_000_000
"""Of one layer that may hang on another's filters: those of a flattened map of 32 filters and 176x176 pixels."""


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
        graph = dependency_graph(network, example, layers)
        for name in layers:
            try:
                items = filter_group(graph, network, name, [0]).items[1:]
            except ValueError as error:
                found[name] = error
                continue
            targets = [each.target.module for each, _ in items if graph.is_out_channel_pruning_fn(each.handler)]
            losing = [names[target] for target in targets if target in names and outputs_of(target) is not None]
            found[name] = tuple(other for other in dict.fromkeys(losing) if other != name)
    return found


def dependency_graph(network: nn.Module, example: Tensor, layers: Iterable[str]) -> tp.DependencyGraph:
    """torch-pruning's graph of a network; call it in grad mode. It leaves the network in eval mode.

    Args:
        network: Any but a compiled one.
        example: One input batch, to trace the network with.
        layers: Names of those to prune, for the message.

    Raises:
        ValueError: If the network cannot be traced.
    """
    # here and when filters are looked up: it gives up on some layers, which the proof notices
    warnings.filterwarnings("ignore", "Maximum recursive depth reached", module="torch_pruning")
    try:
        graph = tp.DependencyGraph()
        # it has the channels of a LayerNorm, which `slice_normalisation` cuts, too
        graph.register_customized_layer(nn.RMSNorm, tp.pruner.function.LayernormPruner())
        return graph.build_dependency(network, (example,), verbose=False)
    except Exception as error:
        raise ValueError(
            f"model.network must be one that torch-pruning can trace, to prune {spell_names(layers)}; it raises "
            f"{tell(error)}"
        ) from error


def filter_group(
    graph: tp.DependencyGraph, network: nn.Module, name: str, indices: Sequence[int]
) -> tp.dependency.Group:
    """Everything that changes when filters of one layer go: that layer first, then what lies behind it.

    Raises:
        ValueError: If torch-pruning cannot tell, more than `MOST_INDICES` of one layer would change, or a grouped
            convolution that is not depthwise is among what changes: torch-pruning slices them by count, so that
            filters would meet weights of other groups.
    """
    layer = network.get_submodule(name)
    is_convolution = isinstance(layer, nn.Conv2d)
    function = tp.prune_conv_out_channels if is_convolution else tp.prune_linear_out_channels
    try:
        with _bounded_groups():
            group = graph.get_pruning_group(layer, function, idxs=list(indices))
    except Exception as error:
        raise ValueError(
            f"pruning.ratio must name layers that torch-pruning can trace; {name} is none: {tell(error)}"
        ) from error
    changing = {dependency.target.module for dependency, _ in group.items}
    for other, module in network.named_modules():
        if not isinstance(module, nn.modules.conv._ConvNd) or module not in changing or module.groups == 1:
            continue
        if not module.groups == module.in_channels == module.out_channels:
            raise ValueError(
                "pruning.ratio must not take channels from grouped convolutions, whose groups would lose different "
                f"numbers of them; {other}, with {module.groups} groups, loses channels without filters of {name}"
            )
    return group


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
