"""The best combinations of a space that is too large to score them all: branch and bound.

The loss of a combination is a sum over images of terms that are not negative. Where its sum over some images exceeds
what the best combinations have over all of them, it is not one of these, and the other images need not be looked at.
Each combination sees the images of those classes first that it does worst on, by a few images of every class. Kernels
add up lower bounds of its losses, and the losses themselves only of what these leave.
"""

import threading
from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from math import isfinite
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from oraclecheck.oracle.chain import PrunedChain
from oraclecheck.oracle.head import COLUMNS
from oraclecheck.oracle.kernels import Found

FIRST = 64
"""Images of each class that every combination sees, where there are no kernels."""

MOST_SHARED = 2**26
"""Numbers that are held of what the filters of the last layer but one add to the layer behind."""

SLACK = 1e-5
"""Relative; another grouping of the images moves a sum by less."""

BLOCK = 256  # choices of the last layer but one that are searched between two looks at what others found

BATCH = 500  # images that go through a convolution at once


class Best:
    """The best combinations that were found; for many threads.

    Args:
        top: How many are wanted.
        found: Those that are known: place in the lexicographic order -> sum of losses over all images.
    """

    def __init__(self, top: int, found: dict[int, float] | None = None) -> None:
        self._top, self._found, self._lock = top, dict(found or {}), threading.Lock()
        self.limit = float("inf")
        self.add({})

    def add(self, sums: dict[int, float]) -> None:
        """Let combinations of whole sums be among the best, if they are."""
        with self._lock:
            ordered = sorted({**self._found, **sums}.items(), key=lambda each: each[::-1])
            self._found = dict(ordered[: self._top])
            if len(self._found) == self._top:
                self.limit = ordered[self._top - 1][1] * (1 + SLACK)

    def found(self) -> dict[int, float]:
        """Place -> sum, from the best one on."""
        return dict(self._found)


class Unit(NamedTuple):
    """A part of a space: choices of the layers before the last two, and of the last but one."""

    before: tuple[int, ...]
    last_but_one: tuple[int, ...]  # empty where there is one layer


class BestSearch:
    """Searches units of a space for the best combinations; for one thread.

    Args:
        chain: The chain; no layer behind the last pruned one pools.
        values: What the first pruned layer makes of the images, those of each class together: shape (filters, rows,
            columns, images).
        ends: Where those of each class end.
        cache: See `Head`.
    """

    def __init__(self, chain: PrunedChain, values: Tensor, ends: Sequence[int], cache: Path | None = None) -> None:
        self._chain, self._values, self._head = chain, values, chain.head(cache)
        self._classes = [slice(begin, end) for begin, end in pairwise([0, *ends])]
        self._ends, self._rows = ends, len(chain.choices[-1].kept)

    @torch.inference_mode()
    def __call__(self, unit: Unit, best: Best) -> int:
        """Add what is among the best in a unit; gives how many losses were computed."""
        values, sizes = self._values, [len(choices.kept) for choices in self._chain.choices]
        place = 0
        for level, number in enumerate(unit.before):
            values = self._through(level, number, values)
            place = place * sizes[level] + number
        if len(sizes) == 1:
            return self._search_last(values, 0, best)
        computed = 0
        for number, later in zip(unit.last_but_one, self._through_each(unit.last_but_one, values), strict=True):
            computed += self._search_last(later, (place * sizes[-2] + number) * self._rows, best)
        return computed

    def _through(self, level: int, number: int, values: Tensor) -> Tensor:
        """What the next pruned layer makes of what the filters of a choice make of images."""
        chain = self._chain
        choices, here, following = chain.choices[level], chain.pruned[level], chain.pruned[level + 1]
        inputs = choices.inputs_of(number)
        stages = [chain.stages[here + 1].fed_by(inputs), *chain.stages[here + 2 : following + 1]]
        kept = torch.tensor(choices.kept[number], device=values.device)
        parts = []
        for part in values.split(BATCH, 3):
            part = part[kept]
            for stage in stages:
                part = stage(part)
            parts.append(part)
        return torch.cat(parts, 3)

    def _through_each(self, numbers: Sequence[int], values: Tensor) -> Iterator[Tensor]:
        """The same for choices of the last layer but one, in the same memory if what they share is not too much."""
        chain, level = self._chain, len(self._chain.choices) - 2
        choices, here, following = chain.choices[level], chain.pruned[level], chain.pruned[level + 1]
        stage = chain.stages[here + 1]
        size = len(choices.inputs) * len(stage.bias) * values.shape[3]
        if values.shape[1:3] != stage.weight.shape[2:] or size > MOST_SHARED:
            yield from (self._through(level, number, values) for number in numbers)
            return
        shares = stage.fed_by(choices.inputs).shares(values, choices.channels)
        for sums in choices.sums(shares, stage.bias, numbers):
            later = stage.after(sums)
            for behind in chain.stages[here + 2 : following + 1]:
                later = behind(later)
            yield later

    def _search_last(self, values: Tensor, place: int, best: Best) -> int:
        """Add what is among the best of all choices of the last layer, the first of which has this place."""
        rows, limit, computed = torch.arange(self._rows), best.limit, 0
        bounds = self._head.bounds(values, self._ends, limit) if isfinite(limit) else None
        if bounds is not None:
            sums, computed = bounds
            rows = rows[sums <= limit]
        if not len(rows):
            return computed
        sums, more = self._sums(values, rows, limit)
        best.add({place + int(rows[i]): sums[i].item() for i in torch.nonzero(sums <= limit)[:, 0]})
        return computed + more

    def _sums(self, values: Tensor, rows: Tensor, limit: float) -> Found:
        """Sums of the losses of some choices of the last layer; of those above a limit, of as many as show it."""
        sums = torch.zeros(len(rows), dtype=torch.float64)
        means = torch.zeros(len(rows), len(self._classes))
        computed = 0
        for label, images in enumerate(self._classes):
            part = values[..., images][..., :FIRST]
            if count := part.shape[3]:
                found = self._head.sums(part, label, rows).cpu()
                sums += found
                means[:, label] = found / count
                computed += count * len(rows)
        order = means.argsort(1, descending=True)
        for rank in range(len(self._classes)):
            for label, images in enumerate(self._classes):
                left = values[..., images][..., FIRST:]
                alive = torch.nonzero((sums <= limit) & (order[:, rank] == label))[:, 0]
                begin = 0
                while begin < left.shape[3] and len(alive):
                    end = begin + max(FIRST, COLUMNS // len(alive))
                    part = left[..., begin:end]
                    sums[alive] += self._head.sums(part, label, rows[alive]).cpu()
                    computed += part.shape[3] * len(alive)
                    begin, alive = end, alive[sums[alive] <= limit]
        return sums, computed


def units_of(chain: PrunedChain) -> Iterator[Unit]:
    """The parts of a space, in lexicographic order."""
    numbers = [range(len(choices.kept)) for choices in chain.choices]
    if len(numbers) == 1:
        yield Unit((), ())
        return
    blocks = [tuple(numbers[-2][first : first + BLOCK]) for first in range(0, len(numbers[-2]), BLOCK)]
    for before in product(*numbers[:-2]):
        for block in blocks:
            yield Unit(before, block)
