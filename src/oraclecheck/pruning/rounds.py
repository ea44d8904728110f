"""Combinations of iterative pruning: which filters go, and in which round each of them goes.

In every layer a combination is an ordered partition of its removed filters into rounds. Its removed filters are listed
round by round, ascending within each, and so two combinations that remove the same filters in other rounds differ.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from oraclecheck.pruning.combination import LayerChoice, Removed
from oraclecheck.pruning.space import CombinationSpace, combination_of


@dataclass(frozen=True)
class NestedSpace(CombinationSpace):
    """All ways to remove filters in rounds, each named by an index in [0, size).

    Its size is the product over the layers of a multinomial. The last layer varies fastest, and in it the last round.

    Attributes:
        rounds: Layer -> filters that it loses in each round, as many rounds for every layer; they add up to `removed`.

    Raises:
        ValueError: As `CombinationSpace`.
    """

    rounds: Mapping[str, tuple[int, ...]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Check that the rounds are of these layers and add up."""
        super().__post_init__()
        assert self.rounds.keys() == {layer.name for layer in self.layers}
        assert all(sum(self.rounds[layer.name]) == layer.removed for layer in self.layers)
        assert len(set(map(len, self.rounds.values()))) == 1

    def _size_of(self, layer: LayerChoice) -> int:
        return math.prod(self._round_sizes(layer))

    def _round_sizes(self, layer: LayerChoice) -> list[int]:
        """Ways to choose in each round of one layer, whatever went before."""
        counts = self.rounds[layer.name]
        before = [0, *accumulate(counts)]
        return [math.comb(layer.filters - gone, count) for gone, count in zip(before, counts, strict=False)]

    def _choice(self, index: int, layer: LayerChoice) -> tuple[int, ...]:
        indices = []
        for size in reversed(self._round_sizes(layer)):
            index, of_round = divmod(index, size)
            indices.append(of_round)
        left = list(range(layer.filters))
        chosen: list[int] = []
        for of_round, count in zip(reversed(indices), self.rounds[layer.name], strict=True):
            gone = [left[place] for place in combination_of(of_round, len(left), count)]
            left = [each for each in left if each not in set(gone)]
            chosen += gone
        return tuple(chosen)

    def shapes(self) -> list[Removed]:
        """As for every space; each round has its own."""
        gone = {name: list(accumulate(counts)) for name, counts in self.rounds.items()}
        reached = range(len(next(iter(gone.values()))))
        return [{name: tuple(range(each[i])) for name, each in gone.items() if each[i]} for i in reached]

    def split(self, removed: Mapping[str, tuple[int, ...]]) -> list[Removed]:
        """What each round of a combination removes, in the dense network's numbering; every layer is in every round."""
        rounds: list[Removed] = [{} for _ in next(iter(self.rounds.values()))]
        for name, counts in self.rounds.items():
            ends = list(accumulate(counts))
            for number, (end, count) in enumerate(zip(ends, counts, strict=True)):
                rounds[number][name] = tuple(removed[name][end - count : end])
        return rounds

    def flaw(self, removed: Mapping[str, list[int]]) -> str | None:
        """The layer whose removed filters are not listed round by round, ascending within each; None if all are."""
        rounds = self.split({name: tuple(filters) for name, filters in removed.items()})
        return next((name for each in rounds for name, gone in each.items() if list(gone) != sorted(gone)), None)


def renumbered(removed: Mapping[str, tuple[int, ...]], gone: Mapping[str, tuple[int, ...]]) -> Removed:
    """Filters of the dense network as a network numbers them that has lost others already.

    Args:
        removed: Layer -> filters, ascending, in the dense network's numbering.
        gone: Layer -> filters that the network has lost.
    """
    return {
        name: tuple(each - sum(other < each for other in gone.get(name, ())) for each in filters)
        for name, filters in removed.items()
    }
