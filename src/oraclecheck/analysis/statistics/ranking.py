"""Ranks of criteria by their agreement, and how well they are known. 1 is the best."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Array = NDArray[np.float64]


def ranks(agreements: Array) -> Array:
    """Ranks along the last axis, 1 for the greatest; equal ones share the best of theirs. NaN has none."""
    return np.asarray(rankdata(-agreements, method="min", axis=-1, nan_policy="omit"), dtype=float)


def rank_intervals(draws: Array) -> tuple[Array, Array]:
    """95 % intervals of the ranks, whole numbers, from draws of the agreements of all criteria together.

    Args:
        draws: Shape (draws, criteria); draws with a NaN do not count.

    Returns:
        Low and high end, shape (criteria,) each; NaN where there is no draw.
    """
    known = draws[~np.isnan(draws).any(axis=1)]
    if not len(known):
        nothing = np.full(draws.shape[1], np.nan)
        return nothing, nothing
    placed = ranks(known)
    low = np.quantile(placed, 0.025, axis=0, method="inverted_cdf")
    return low, np.quantile(placed, 0.975, axis=0, method="inverted_cdf")


def noisy_draws(agreements: Array, covariance: Array, draws: int, seed: int) -> Array:
    """Agreements as other retrainings would show them, normally distributed; shape (draws, criteria)."""
    if np.isnan(covariance).any():
        return np.full((draws, len(agreements)), np.nan)
    generator = np.random.default_rng(seed)
    return generator.multivariate_normal(agreements, covariance, size=draws, method="svd")


def mean_draws(values: Array, draws: int, seed: int) -> Array:
    """Means over dense networks as their spread leaves them open: multivariate t, as the t-intervals of the means are.

    Args:
        values: Agreement of each criterion in each network, shape (m, criteria), m >= 2.
        draws: How many.
        seed: Their seed.

    Returns:
        Shape (draws, criteria).
    """
    m = len(values)
    generator = np.random.default_rng(seed)
    spread = (values - values.mean(axis=0)) / np.sqrt(m * (m - 1))
    scale = np.sqrt((m - 1) / generator.chisquare(m - 1, size=(draws, 1)))
    return values.mean(axis=0) + scale * (generator.normal(size=(draws, m)) @ spread)
