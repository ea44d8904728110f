"""Table A6's rows: how much was lost by pruning, what benchmarks say after retraining, and their average."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

BENCHMARKS = {"sqa": "SQA", "textvqa": "TextVQA", "gqa": "GQA", "mmvet": "MM-Vet", "pope": "POPE"}
"""File's name -> what the table calls it, in the paper's order."""


@dataclass(frozen=True)
class Row:
    """A network.

    Attributes:
        name: The method that pruned it, or "dense".
        loss: Pruned train loss; None for the dense network.
        scores: Benchmark -> percent, higher is better; those that are known.
        by_lmms_eval: Benchmarks that lmms-eval asked.
    """

    name: str
    loss: float | None
    scores: Mapping[str, float | None]
    by_lmms_eval: frozenset[str] = frozenset()

    @property
    def known(self) -> list[float]:
        """The scores that are known, in the table's order."""
        return [score for name in BENCHMARKS if (score := self.scores.get(name)) is not None]

    @property
    def mean(self) -> float | None:
        """Mean of all benchmarks; None while one is missing."""
        return fmean(self.known) if len(self.known) == len(BENCHMARKS) else None

    @property
    def as_printed(self) -> float | None:
        """What the paper prints as the average: the sum divided by four."""
        return sum(self.known) / 4 if self.mean is not None else None


def mean_row(rows: Sequence[Row]) -> Row:
    """The mean of the repeats of one combination; what one of them lacks is missing."""
    scores: dict[str, float | None] = {}
    for name in BENCHMARKS:
        found = [score for row in rows if (score := row.scores.get(name)) is not None]
        scores[name] = fmean(found) if len(found) == len(rows) else None
    losses = [row.loss for row in rows if row.loss is not None]
    return Row(rows[0].name, fmean(losses) if losses else None, scores, rows[0].by_lmms_eval)


def counterexamples(rows: Iterable[Row]) -> tuple[int, int, int]:
    """Pairs of pruned networks in which the one with the lower loss ends worse, pairs that end alike, and all pairs.

    The end is the mean of all benchmarks; what has none is left out. Scores are decimal numbers, whose means may differ
    in the last bit where they are equal: 1e-9 of a percent counts as alike.
    """
    known = [(row.loss, row.mean) for row in rows if row.loss is not None and row.mean is not None]
    pairs = list(combinations(known, 2))
    against = alike = 0
    for (loss, mean), (other_loss, other_mean) in pairs:
        if abs(mean - other_mean) < 1e-9:
            alike += 1
        elif loss != other_loss:
            against += (loss < other_loss) == (mean < other_mean)
    return against, alike, len(pairs)


def table(rows: Sequence[Row]) -> list[list[str]]:
    """The table's cells, its head first; a dash where nothing is known."""
    head = ["network", "pruned train loss", *BENCHMARKS.values(), "sum / 4, as the paper prints", "mean"]
    return [head, *([row.name, _cell(row.loss), *_scores(row)] for row in rows)]


def _scores(row: Row) -> list[str]:
    return [
        *(_cell(row.scores.get(name), 1) for name in BENCHMARKS),
        _cell(row.as_printed),
        _cell(row.mean),
    ]


def _cell(value: float | None, decimals: int = 2) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"
