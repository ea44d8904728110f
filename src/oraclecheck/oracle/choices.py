"""The choices that there are in one layer, and sums of what the kept filters add to the layer behind."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import torch
from torch import Tensor

from oraclecheck.pruning.combination import LayerChoice


class Choices:
    """All ways to keep filters of a layer, in the lexicographic order of those that go.

    Where the released code wires the layers behind (`behind`), the i-th filter kept feeds the i-th input that they
    keep; the inputs are then the pairs of such a place and a filter.

    Attributes:
        kept: The filters that each choice keeps, ascending.
        inputs: Those of the layer behind, as its weights are numbered.
        channels: Of each of these the filter that feeds it; None where they are the filters.
        matrix: Whether a choice has an input, shape (choices, inputs).

    Args:
        layer: The layer.
        behind: The filters that the layers behind lose, if these are others.
    """

    def __init__(self, layer: LayerChoice, behind: tuple[int, ...] | None = None) -> None:
        self.filters, self._paired = layer.filters, behind is not None
        filters, places = range(layer.filters), layer.filters - layer.removed
        self.kept = list(combinations(filters, places))[::-1]  # complements come in the opposite order
        slots = [slot for slot in filters if slot not in (behind or ())]
        self.inputs = [slot for slot in slots for _ in filters] if self._paired else slots
        self.channels = torch.tensor([filter for _ in slots for filter in filters]) if self._paired else None
        self.matrix = torch.zeros(len(self.kept), len(self.inputs))
        for row in range(len(self.kept)):
            self.matrix[row, self.fed(row)] = 1

    def _input(self, place: int, filter: int) -> int:
        return place * self.filters + filter if self._paired else filter

    def fed(self, number: int) -> list[int]:
        """The numbers of the inputs (`inputs`) that the filters of a choice feed."""
        return [self._input(place, filter) for place, filter in enumerate(self.kept[number])]

    def inputs_of(self, number: int) -> list[int]:
        """The inputs of the layer behind, as its weights are numbered, that the filters of a choice feed."""
        return [self.inputs[i] for i in self.fed(number)]

    def sums(self, shares: Tensor, bias: Tensor, numbers: Sequence[int] | None = None) -> Iterator[Tensor]:
        """For each choice, or those of some numbers, in order, the bias and the shares of what is kept, added up.

        Choices that begin alike share the sums of their beginnings, so that each takes about two additions, however
        many filters are kept, and no sum is ever taken back.

        Args:
            shares: Shape (inputs, outputs, rows, columns, images).
            bias: Shape (outputs,).
            numbers: Which choices; None for all.

        Yields:
            Shape (outputs, rows, columns, images), the same memory again and again.
        """
        begun = [torch.empty_like(shares[0]) for _ in self.kept[0]]
        before: tuple[int, ...] = ()
        for kept in self.kept if numbers is None else [self.kept[number] for number in numbers]:
            depth = next((i for i, (new, old) in enumerate(zip(kept, before, strict=False)) if new != old), 0)
            for place in range(depth, len(kept)):
                beginning = begun[place - 1] if place else bias.view(-1, 1, 1, 1)
                torch.add(beginning, shares[self._input(place, kept[place])], out=begun[place])
            before = kept
            yield begun[-1]
