"""How the combinations of a study were chosen, and which of its runs count."""

from dataclasses import dataclass, replace

import pandas as pd

from oraclecheck.analysis.outcomes import Counted, Outcomes


@dataclass(frozen=True)
class Space:
    """How the combinations of a study were chosen.

    Attributes:
        kind: "enumerated" (the study walks through all there are: a census if none is missing), "part" (it has begun
            with the first of them and not gone on to the last), "sampled" (in random order) or "unknown".
        size: Combinations there are; None if not known.
        missing: Combinations without an outcome: of the space if it is enumerated and its size known, otherwise of
            those that were started.
    """

    kind: str
    size: int | None
    missing: int

    @property
    def is_enumerated(self) -> bool:
        """Whether statistics take the combinations as all there are, and not as a sample."""
        return self.kind in ("enumerated", "part")


def space_of(outcomes: Outcomes) -> Space:
    """How the combinations of a study were chosen, from the order and size that its records give and nothing else."""
    order = outcomes.first.iloc[0]["order"] if len(outcomes.first) else None
    sizes = outcomes.first["space_size"].dropna()
    size = int(sizes.iloc[0]) if len(sizes) else None
    n, started = int((outcomes.k > 0).sum()), len(outcomes.first)
    if order == "lexicographic" or n == size:
        begun = sorted(combo for combo in outcomes.first["combo"] if not pd.isna(combo))
        is_part = size is None or (started < size and begun == list(range(started)))
        return Space("part" if is_part else "enumerated", size, (started if size is None else size) - n)
    return Space("sampled" if order == "sampled" else "unknown", size, started - n)


def counted_runs(outcomes: Outcomes) -> tuple[Counted, Space]:
    """The runs that every statistic rests on, and the space with the combinations that do not count as missing."""
    space = space_of(outcomes)
    counted = outcomes.counted(census=space.is_enumerated)
    left_out = int((outcomes.k > 0).sum()) - len(counted.score)
    return counted, replace(space, missing=space.missing + left_out)
