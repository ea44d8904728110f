"""The best combinations of a space that is too large to score them all: branch and bound.

The loss of a combination is a sum over images of terms that are not negative. Where its sum over some images exceeds
what the best combinations have over all of them, it is not one of these, and the other images need not be looked at.
Each combination sees the images of those classes first that it does worst on, by a few images of every class: a bad one
is out after a few percent of the images.
"""

import threading
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from oraclecheck.oracle.chain import PrunedChain
from oraclecheck.oracle.head import COLUMNS

FIRST = 64
"""Images of each class that every combination sees."""

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
        values: What the first pruned layer makes of the images of each class: (filters, rows, columns, images).
        cache: See `Head`.
    """

    def __init__(self, chain: PrunedChain, values: Sequence[Tensor], cache: Path | None = None) -> None:
        self._chain, self._values, self._head = chain, values, chain.head(cache)
        self._rows = len(chain.choices[-1].kept)

    @torch.inference_mode()
    def __call__(self, unit: Unit, best: Best) -> int:
        """Add what is among the best in a unit; gives how many losses were computed."""
        values = self._values
        place = 0
        for level, number in enumerate(unit.before):
            values = [self._through(level, number, each) for each in values]
            place = place * len(self._chain.choices[level].kept) + number
        if len(self._chain.choices) == 1:
            return self._search_last(values, None, 0, best)
        size = len(self._chain.choices[-2].kept)
        return sum(
            self._search_last(values, number, (place * size + number) * self._rows, best)
            for number in unit.last_but_one
        )

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

    def _search_last(self, values: Sequence[Tensor], number: int | None, place: int, best: Best) -> int:
        """Add what is among the best of all choices of the last layer, the first of which has this place."""

        def activations(label: int, first: int, last: int | None) -> Tensor:
            here = values[label][..., first:last]
            return here if number is None else self._through(len(self._chain.choices) - 2, number, here)

        sums = torch.zeros(self._rows, dtype=torch.float64)
        means = torch.zeros(self._rows, len(values))
        computed = 0
        for label, images in enumerate(values):
            first = min(FIRST, images.shape[3])
            if first:
                found = self._head.sums(activations(label, 0, FIRST), label).cpu()
                sums += found
                means[:, label] = found / first
                computed += first * self._rows
        order = means.argsort(1, descending=True)
        alive = sums <= best.limit
        later: dict[int, Tensor] = {}
        for rank in range(len(values)):
            if not alive.any():
                break
            for label, images in enumerate(values):
                rows = torch.nonzero(alive & (order[:, rank] == label))[:, 0]
                left = images.shape[3] - FIRST
                if not len(rows) or left <= 0:
                    continue
                if label not in later:
                    later[label] = activations(label, FIRST, None)
                begin = 0
                while begin < left and len(rows):
                    end = min(left, begin + max(FIRST, COLUMNS // len(rows)))
                    sums[rows] += self._head.sums(later[label][..., begin:end], label, rows).cpu()
                    computed += (end - begin) * len(rows)
                    begin, rows = end, rows[sums[rows] <= best.limit]
                alive[order[:, rank] == label] = False
                alive[rows] = True
        if alive.any():
            best.add({place + row: sums[row].item() for row in torch.nonzero(alive)[:, 0].tolist()})
        return computed


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
