"""How many weights each layer loses, such that the total is exact to one weight."""

import math
from collections.abc import Mapping
from fractions import Fraction

MOST = 0.999
"""Largest share of a block's weights that goes where blocks lose unequal shares."""


def total_removed(weights: int, ratio: float) -> int:
    """`ceil(ratio * weights)`, the ratio being the decimal number that is written: 0.07 of 100 are 7."""
    return math.ceil(Fraction(repr(ratio)) * weights)


def evenly(sizes: Mapping[str, int], ratio: float) -> dict[str, int]:
    """The same share of every layer, `total_removed` in all.

    Args:
        sizes: Layer -> its weights.
        ratio: Share of them that goes, in (0, 1).
    """
    exact = Fraction(repr(ratio))
    counts = {name: exact * size for name, size in sizes.items()}
    return _rounded(counts, sizes, total_removed(sum(sizes.values()), ratio))


def by_difference(
    sizes: Mapping[str, int], blocks: Mapping[str, str], difference: Mapping[str, float], ratio: float, spread: float
) -> dict[str, int]:
    """Blocks that differ more lose less; `total_removed` in all.

    A block's share is S - z + mean(z), z = 2 * spread * (D - min D) / (max D - min D), the mean weighted by the blocks'
    weights (Yin et al., OWL, arXiv 2310.05175), clipped to [0, `MOST`]; what was clipped is taken from all others
    alike. Within a block every layer loses the same share.

    Args:
        sizes: Layer -> its weights.
        blocks: Layer -> its block.
        difference: Block -> D; where all are equal, all blocks lose the same share.
        ratio: S, the share of all weights that goes, in (0, 1).
        spread: Half of what the shares of two blocks may differ by, at least 0.

    Raises:
        ValueError: If the blocks cannot lose as many.
    """
    check_reachable(ratio)
    wanted = total_removed(sum(sizes.values()), ratio)
    weights = dict.fromkeys(difference, 0)
    for name, size in sizes.items():
        weights[blocks[name]] += size
    least, most = min(difference.values()), max(difference.values())
    scale = 2 * spread / (most - least) if most > least else 0.0
    z = {block: scale * (value - least) for block, value in difference.items()}
    mean = math.fsum(weights[block] * z[block] for block in z) / sum(weights.values())
    unclipped = {block: ratio - z[block] + mean for block in z}

    def shares(shift: float) -> dict[str, float]:
        return {block: min(max(share + shift, 0.0), MOST) for block, share in unclipped.items()}

    # what is removed grows with the shift, so it can be found by halving
    low, high = -1.0 - 2 * spread, 1.0 + 2 * spread
    for _ in range(100):
        middle = (low + high) / 2
        given = shares(middle)
        if math.fsum(weights[block] * given[block] for block in given) < wanted:
            low = middle
        else:
            high = middle
    given = shares(high)
    return _rounded({name: Fraction(given[blocks[name]]) * size for name, size in sizes.items()}, sizes, wanted)


def check_reachable(ratio: float) -> None:
    """Refuse, with a ValueError, a ratio that blocks of unequal shares cannot reach."""
    if ratio > MOST:
        raise ValueError(
            f"pruning.ratio must be at most {MOST}, the most that a block may lose, for the methods outlier and "
            f"components; got {ratio}"
        )


def _rounded(counts: Mapping[str, Fraction], sizes: Mapping[str, int], total: int) -> dict[str, int]:
    """Whole counts with this total: the largest fractions are rounded up, of equal ones the first.

    Those that would leave nothing of a layer come last.
    """
    rounded = {name: math.floor(count) for name, count in counts.items()}
    up = sorted(counts, key=lambda name: (rounded[name] + 1 >= sizes[name], rounded[name] - counts[name]))
    for name in up[: total - sum(rounded.values())]:
        rounded[name] += 1
    assert sum(rounded.values()) == total
    return rounded
