"""How the combinations of a study were chosen, and which of its runs count."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oraclecheck.analysis.outcomes import Outcomes
from oraclecheck.analysis.statistics.balance import balanced
from oraclecheck.records.combination_key import Key


@dataclass(frozen=True)
class Space:
    """How the combinations of a study were chosen, from the order and size that its records give and nothing else.

    Attributes:
        kind: "enumerated" (the study walks through all there are: a census if none is missing), "part" (it has begun
            with the first of them and not gone on to the last), "sampled" (in random order) or "unknown".
        size: Combinations there are; None if not known.
        missing: Combinations that do not count: of the space if it is enumerated and its size known, otherwise of those
            that were started.
    """

    kind: str
    size: int | None
    missing: int

    @property
    def is_enumerated(self) -> bool:
        """Whether statistics take the combinations as all there are, and not as a sample."""
        return self.kind in ("enumerated", "part")


@dataclass(frozen=True)
class Counted:
    """The runs of a study that count: n' of its combinations, none of them picked by a criterion, k repeats of each.

    Attributes:
        rows: Which combinations count, shape (n,).
        first: One record of each, n' rows.
        keys: Their keys.
        score: Their scores, shape (n',).
        finals: Metric column -> their values, shape (n', k), without NaN if the study has the metric.
        left_out: Runs with an outcome that do not count.
        space: How they were chosen.
    """

    rows: NDArray[np.bool_]
    first: pd.DataFrame
    keys: list[Key]
    score: NDArray[np.float64]
    finals: dict[str, NDArray[np.float64]]
    left_out: int
    space: Space

    @property
    def k(self) -> int:
        """Repeats of each combination."""
        return next(iter(self.finals.values())).shape[1]


def counted_runs(outcomes: Outcomes) -> Counted:
    """The runs that every statistic rests on: equally many of each combination; see `balance`."""
    unpicked = outcomes.first["picked_by"].isna().to_numpy(bool)
    there = outcomes.there & unpicked[:, None]
    order = outcomes.first["order"].iloc[0] if len(outcomes.first) else None
    sizes = outcomes.first["space_size"].dropna()
    size = int(sizes.iloc[0]) if len(sizes) else None
    census = order == "lexicographic" or there.any(axis=1).sum() == size
    rows, columns = balanced(there, census=census)
    n, started = int(rows.sum()), int(unpicked.sum())
    kind = "sampled" if order == "sampled" else "unknown"
    if census:
        begun = sorted(combo for combo in outcomes.first["combo"][unpicked] if not pd.isna(combo))
        is_part = size is None or (started < size and begun == list(range(started)))
        kind = "part" if is_part else "enumerated"
    space = Space(kind, size, (size if census and size is not None else started) - n)
    keys = [key for key, counts in zip(outcomes.keys, rows, strict=True) if counts]
    finals = {name: np.take_along_axis(values, columns, axis=1)[rows] for name, values in outcomes.finals.items()}
    left_out = int(there.sum()) - n * columns.shape[1]
    return Counted(rows, outcomes.first[rows], keys, outcomes.score[rows], finals, left_out, space)
