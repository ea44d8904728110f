"""Losses of all combinations of any network: what lies before the first pruned layer is computed once for all."""

import operator
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.functional import cross_entropy

from oraclecheck.engines.engine import Prune
from oraclecheck.pruning.space import CombinationSpace


class RestLosses:
    """Sums of the losses of all combinations; for many threads.

    Args:
        dense: The dense network, in eval mode, on whichever device; a network that torch.fx cannot follow is run whole.
        space: The combinations.
        prune: How a network is pruned.
        step: Called after each pruned network.
    """

    def __init__(
        self, dense: nn.Module, space: CombinationSpace, prune: Prune, step: Callable[[], None] = lambda: None
    ) -> None:
        self._dense = dense
        self._networks: list[nn.Module] = []
        places = [CombinationSpace(space.layers).unrank(place) for place in range(space.size)]
        for removed in places:
            self._networks.append(_sharing(prune(dense, removed).eval(), dense))
            step()
        self._nodes = _nodes(dense)
        changed = _changed(dense, self._networks[0])
        self._first = next((i for i, node in enumerate(self._nodes) if _touches(node, changed)), 0)
        needed = {given for node in self._nodes[self._first :] for given in node.all_input_nodes}
        self._boundary = [node for node in self._nodes[: self._first] if node in needed]
        self._checked, self._lock = False, threading.Lock()

    @property
    def size(self) -> int:
        """How many combinations there are."""
        return len(self._networks)

    @torch.inference_mode()
    def sums(self, images: Tensor, labels: Tensor) -> Tensor:
        """The sum of the losses of some images, for every combination in lexicographic order.

        Args:
            images: Normalised, shape (images, channels, height, width).
            labels: Their classes, shape (images,).

        Returns:
            Shape (combinations,), float64, on the CPU, in nats.
        """
        with self._lock:
            if not self._checked:
                self._check(images)
        before = _run(self._dense, self._nodes[: self._first], {}, images)
        kept = {node: before[node] for node in self._boundary}
        found = []
        for network in self._networks:
            logits = self._logits(network, kept, images) if self._nodes else network(images)
            found.append(cross_entropy(logits, labels, reduction="none").cpu().double().sum())
        return torch.stack(found)

    def _check(self, images: Tensor) -> None:
        """Run networks whole if what torch.fx made of the dense one does not hold for the pruned ones."""
        try:
            before = _run(self._dense, self._nodes[: self._first], {}, images)
            for network in (self._networks[0], self._networks[-1]) if self._nodes else ():
                torch.testing.assert_close(self._logits(network, before, images), network(images), rtol=1e-5, atol=1e-6)
        except Exception:  # such as a shape that stands in the dense network's code
            self._nodes = []
        self._checked = True

    def _logits(self, network: nn.Module, kept: Mapping[fx.Node, Any], images: Tensor) -> Tensor:
        # copies, for a network may write into what it is given
        values = {node: each.clone() if isinstance(each, Tensor) else each for node, each in kept.items()}
        last: Tensor = _run(network, self._nodes[self._first :], values, images)[self._nodes[-1]]
        return last


def _sharing(pruned: nn.Module, dense: nn.Module) -> nn.Module:
    """The pruned network, its tensors that are the dense one's in the same memory: most of them are."""
    theirs = {**dict(dense.named_parameters()), **dict(dense.named_buffers())}
    for name, tensor in [*pruned.named_parameters(), *pruned.named_buffers()]:
        if name in theirs and torch.equal(tensor, theirs[name]):
            tensor.data = theirs[name].data
    return pruned


def _nodes(network: nn.Module) -> list[fx.Node]:
    """What a network does, one thing after the other, the last of which gives the logits; none if nobody can tell."""
    try:
        nodes = list(fx.symbolic_trace(network).graph.nodes)
    except Exception:  # whatever a network's own code raises where it sees no numbers
        return []
    (output,) = (node for node in nodes if node.op == "output")
    inputs = [node for node in nodes if node.op == "placeholder"]
    if len(inputs) != 1 or not isinstance(output.args[0], fx.Node):
        return []
    return nodes[: nodes.index(output.args[0]) + 1]


def _changed(dense: nn.Module, pruned: nn.Module) -> set[str]:
    """Names of tensors that pruning changes."""
    theirs = dict(dense.named_parameters()) | dict(dense.named_buffers())
    tensors = [*pruned.named_parameters(), *pruned.named_buffers()]
    return {name for name, each in tensors if each.data_ptr() != theirs[name].data_ptr()}


def _touches(node: fx.Node, changed: set[str]) -> bool:
    target = str(node.target)
    return node.op in ("call_module", "get_attr") and any(
        name == target or name.startswith(f"{target}.") for name in changed
    )


def _run(
    network: nn.Module, nodes: Sequence[fx.Node], values: dict[fx.Node, Any], images: Tensor
) -> dict[fx.Node, Any]:
    """What some nodes give, beside what is known."""
    for node in nodes:
        arguments: Any = fx.node.map_arg(node.args, values.__getitem__)
        options: Any = fx.node.map_arg(node.kwargs, values.__getitem__)
        if node.op == "placeholder":
            values[node] = images
        elif node.op == "get_attr":
            values[node] = operator.attrgetter(str(node.target))(network)
        elif node.op == "call_module":
            values[node] = network.get_submodule(str(node.target))(*arguments, **options)
        elif node.op == "call_method":
            first, *others = arguments
            values[node] = getattr(first, str(node.target))(*others, **options)
        else:
            function: Any = node.target
            values[node] = function(*arguments, **options)
    return values
