"""What a network computes before the first layer that pruning changes: once for all pruned networks."""

import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

COMPARED = 8
"""Images that show whether a prefix holds."""


class Prefix:
    """The part of a dense network that pruned ones have in common, up to the first change.

    A network that torch.fx cannot follow, or what it makes of it does not hold for the pruned ones, is run whole.

    Args:
        dense: The dense network, in eval mode, on whichever device.
        pruned: Pruned networks, as `sharing` gives them: between them they change all that pruning changes.
    """

    def __init__(self, dense: nn.Module, pruned: Sequence[nn.Module]) -> None:
        self._dense, self._checked = dense, False
        self._samples: tuple[nn.Module, ...] = (pruned[0], pruned[-1])
        self._nodes = _nodes(dense)
        self._changed = set().union(*(_changed(dense, network) for network in pruned))
        self._first = next((i for i, node in enumerate(self._nodes) if _touches(node, self._changed)), 0)
        needed = {given for node in self._nodes[self._first :] for given in node.all_input_nodes}
        self._boundary = [node for node in self._nodes[: self._first] if node in needed]

    @property
    def saves(self) -> bool:
        """Whether there is work that the networks have in common."""
        return any(node.op.startswith("call") for node in self._nodes[: self._first])

    def covers(self, networks: Sequence[nn.Module]) -> bool:
        """Whether pruned networks change nothing that those which it was made for do not."""
        return all(_changed(self._dense, network) <= self._changed for network in networks)

    def logits(self, networks: Sequence[nn.Module], images: Tensor) -> Iterator[Tensor]:
        """What pruned networks give for a batch of normalised images, shape (images, classes) each.

        Args:
            networks: In eval mode, on the images' device.
            images: Shape (images, channels, height, width).
        """
        self.check(images)
        kept = self._kept(images)
        for network in networks:
            yield self._rest(network, kept, images) if self._nodes else network(images)

    def _kept(self, images: Tensor) -> dict[fx.Node, Any]:
        before = _run(self._dense, self._nodes[: self._first], {}, images)
        return {node: before[node] for node in self._boundary}

    def check(self, images: Tensor) -> None:
        """From now on run networks whole if what torch.fx made of the dense one does not hold for the pruned ones."""
        if self._checked:
            return
        try:
            images = images[:COMPARED]
            kept = self._kept(images)
            for network in self._samples if self._nodes else ():
                torch.testing.assert_close(self._rest(network, kept, images), network(images), rtol=1e-5, atol=1e-6)
        except Exception:  # such as a shape that stands in the dense network's code, or more to be seen than images
            self._nodes, self._first, self._boundary = [], 0, []
        self._checked, self._samples = True, ()

    def _rest(self, network: nn.Module, kept: Mapping[fx.Node, Any], images: Tensor) -> Tensor:
        # copies, for a network may write into what it is given
        values = {node: each.clone() if isinstance(each, Tensor) else each for node, each in kept.items()}
        last: Tensor = _run(network, self._nodes[self._first :], values, images)[self._nodes[-1]]
        return last


def sharing(pruned: nn.Module, dense: nn.Module) -> nn.Module:
    """The pruned network, its tensors that are the dense one's in the same memory: most of them are."""
    theirs = {**dict(dense.named_parameters()), **dict(dense.named_buffers())}
    for name, tensor in [*pruned.named_parameters(), *pruned.named_buffers()]:
        if name in theirs and torch.equal(tensor, theirs[name]):
            tensor.data = theirs[name].data
    return pruned


def own_bytes(network: nn.Module, dense: nn.Module) -> int:
    """Memory of a network's tensors that are not the dense one's; see `sharing`."""
    tensors, changed = {**dict(network.named_parameters()), **dict(network.named_buffers())}, _changed(dense, network)
    return sum(tensor.nbytes for name, tensor in tensors.items() if name in changed)


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
    return {name for name, each in tensors if name not in theirs or each.data_ptr() != theirs[name].data_ptr()}


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
