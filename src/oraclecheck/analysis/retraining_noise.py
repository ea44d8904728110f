"""How far the agreement moves when the same combinations are retrained again: intervals for a census."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata


def agreement_error(score: NDArray[np.float64], finals: NDArray[np.float64]) -> float:
    """Standard error of tau-b(score, mean over repeats) from retraining noise alone, the combinations being fixed.

    Combination i adds h_i(v) = sum_j sign(c_i - c_j) sign(v - ybar_j) to the numerator when its mean is v. Two means of
    k repeats differ like (y_ir - y_iq) / sqrt(k), so that half the squared step of h_i over such a difference, around
    ybar_i, estimates the variance that i's noise makes; the combinations' noises are independent and add up.

    Args:
        score: Shape (n,), without NaN.
        finals: Shape (n, k); NaN where a repeat is missing. A combination with a repeat that is not finite counts as
            the average of the others.

    Returns:
        The standard error; NaN if no combination has two finite repeats, or tau is not defined.
    """
    there = ~np.isnan(finals)
    with np.errstate(invalid="ignore"):
        means = np.where(there, finals, 0).sum(axis=1) / there.sum(axis=1)
    direction = np.sign(_rank_differences(score))
    order = np.argsort(means, kind="stable")
    ranked = means[order]
    # below[i, m]: sum of the directions between i and the m combinations with the lowest means.
    below = np.concatenate([np.zeros((len(score), 1)), np.cumsum(direction[:, order], axis=1)], axis=1)
    variances = []
    for i in np.flatnonzero((np.isfinite(finals) | ~there).all(axis=1) & (there.sum(axis=1) > 1)):
        values = finals[i, there[i]]
        half = np.array([a - b for a, b in combinations(values, 2)]) / np.sqrt(len(values)) / 2
        levels = np.concatenate([means[i] - half, means[i] + half])
        left, right = (np.searchsorted(ranked, levels, side=side) for side in ("left", "right"))
        low, high = np.split(below[i, left] - (below[i, -1] - below[i, right]), 2)
        variances.append(np.mean((high - low) ** 2) / 2)
    untied = [np.count_nonzero(_rank_differences(values)) / 2 for values in (score, means)]
    if not variances or min(untied) == 0:
        return float("nan")
    return float(np.sqrt(np.mean(variances) * len(score) / (untied[0] * untied[1])))


def _rank_differences(values: NDArray[np.float64]) -> NDArray[np.float64]:
    ranks = rankdata(values, method="dense").astype(np.float64)
    return ranks[:, None] - ranks
