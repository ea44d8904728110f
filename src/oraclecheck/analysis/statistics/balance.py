"""The balanced block: as many repeats of every combination, so that all that is said of a study rests on the same runs.

The agreement s rests on means over repeats, the noise ceiling on how well single repeats agree, and the noise-free
agreement divides the one by the other. If a third repeat has begun, its few runs would raise s (those means are less
noisy) and not the reliability: s* came out at 1.00 instead of 0.87 with 40 % of a third repeat.
"""

import numpy as np
from numpy.typing import NDArray

# Means of the same accuracies can differ in the 16th digit, which would break ties. Distinct ones differ by at least
# one test image in one repeat, far above this.
_MEAN_DECIMALS = 12

LEAST_SHARE = 0.9
"""Share of the combinations that a balanced block of a sample keeps at least."""


def balanced(there: NDArray[np.bool_], *, census: bool) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """The combinations that count, and the repeats of each of them that count: k for all.

    Repeats of a combination differ only in their seed, so that any k of them will do; those that most combinations have
    come first, and one that has just begun comes last. k is the largest number of repeats that at least nine in ten of
    the combinations with an outcome have; combinations with fewer are left out. In a census, whose combinations are
    all there are, none is left out if k >= 2 can be had without.

    Args:
        there: Whether a combination (row) has an outcome of a repeat (column), shape (n, K).
        census: Whether the combinations are all there are.

    Returns:
        Which combinations count, shape (n,); and columns of `there`, shape (n, k), k >= 1, where rows that do not count
        say nothing.
    """
    outcomes = there.sum(axis=1)
    some = outcomes > 0
    enough = [int((outcomes >= k).sum()) for k in range(1, there.shape[1] + 1)]
    whole = sum(count == some.sum() for count in enough)  # enough falls with k
    k = whole if census and whole >= 2 else sum(count >= LEAST_SHARE * some.sum() for count in enough)
    by_cover = np.argsort(-there.sum(axis=0), kind="stable")
    first = np.argsort(~there[:, by_cover], axis=1, kind="stable")[:, :k]
    return some & (outcomes >= k), by_cover[first]


def mean_of_repeats(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of each row over the values that are not NaN, rounded far below one test image; NaN if there is none."""
    there = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.round(np.where(there, values, 0).sum(axis=1) / there.sum(axis=1), _MEAN_DECIMALS)
