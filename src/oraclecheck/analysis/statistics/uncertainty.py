"""What retraining noise leaves for a criterion to agree with."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oraclecheck.analysis.statistics.correlation import kendall


@dataclass(frozen=True)
class NoiseCeiling:
    """The noise ceiling `s_max` and the steps that lead to it.

    Attributes:
        t: Mean tau-b between two repeats, in [-1, 1].
        rho_1: Reliability of one repeat, in [0, 1].
        rho_k: Reliability of the mean of the k repeats, in [0, 1].
        s_max: Agreement that a perfect, noise-free predictor of the true mean would show, in [0, 1].
    """

    t: float
    rho_1: float
    rho_k: float
    s_max: float


def noise_ceiling(finals: ArrayLike) -> NoiseCeiling:
    """The highest agreement that retraining noise allows, estimated from the repeats.

    Greiner's relation rho = sin(pi tau / 2) turns the agreement between repeats into a reliability, the formula of
    Spearman and Brown raises it to the mean of k repeats, and the same relation backwards gives an agreement. This
    assumes a Gaussian copula and speaks about one dense network and one test set. It is unbiased for Gaussian metrics
    and up to 0.11 too high for heavy-tailed ones, such as a study in which some networks collapse.

    Args:
        finals: Final metric of each combination and repeat, shape (n, k), n >= 2 and k >= 2, finite; accuracy or loss,
            the ceiling is the same whichever way is better.

    Returns:
        The ceiling; 0 if the repeats do not agree with each other (t <= 0), NaN if a repeat gives all combinations
        the same value.

    Raises:
        ValueError: If finals is not two-dimensional, has fewer than 2 rows or columns, or a value is not finite.
    """
    values = np.asarray(finals, dtype=np.float64)
    if values.ndim != 2 or min(values.shape) < 2:
        raise ValueError(f"finals must hold at least 2 combinations (rows) x 2 repeats (columns); got {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"finals must be finite; got {int((~np.isfinite(values)).sum())} values that are not")
    k = values.shape[1]
    t = float(np.mean([kendall(values[:, r], values[:, q])[0] for r, q in combinations(range(k), 2)]))
    rho_1, rho_k = reliability(t, k)
    return NoiseCeiling(t, float(rho_1), float(rho_k), float(ceiling(rho_k)))


def reliability(t: ArrayLike, k: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Reliability of one repeat and of the mean of k repeats, each in [0, 1], from the mean tau-b between repeats."""
    rho_1 = np.clip(np.sin(np.pi * np.asarray(t) / 2), 0, 1)
    return rho_1, k * rho_1 / (1 + (k - 1) * rho_1)


def census_reliability(t: float, draws: ArrayLike, k: int) -> NDArray[np.float64]:
    """Reliabilities rho_k that could have been estimated had the same combinations been retrained again.

    Resampling combinations also moves their true means, which in a census are fixed. In the analysis of variance,
    log F = log(1 + (k-1) rho_1) - log(1 - rho_1) has variance 2k / (n (k-1)) if the means are drawn and
    1 - (k-1)/k rho_k^2 times that if they are fixed: the resampled values are drawn in by its root. The interval made
    of them holds the truth in 91 to 96 % of simulated studies, least where metrics tie (see the table of `intervals`).

    Args:
        t: Mean tau-b between two repeats.
        draws: The same in resamples of the combinations, shape (draws,).
        k: Repeats.
    """
    rho_k = reliability(t, k)[1]
    factor = np.sqrt(1 - (k - 1) / k * rho_k**2)
    log_f, log_f_draws = (_log_f(values, k) for values in (t, draws))
    theta = np.exp(log_f + factor * (log_f_draws - log_f)) - 1
    return np.maximum(theta, 0) / (1 + np.maximum(theta, 0))


def _log_f(t: ArrayLike, k: int) -> NDArray[np.float64]:
    # Not clipped at 0: the spread below it counts. The ends keep the logarithm finite.
    rho_1 = np.clip(np.sin(np.pi * np.asarray(t) / 2), -0.99 / (k - 1), 1 - 1e-12)
    return np.log((1 + (k - 1) * rho_1) / (1 - rho_1))


def ceiling(rho_k: ArrayLike) -> NDArray[np.float64]:
    """Agreement that a perfect predictor shows where the mean of the repeats has this reliability."""
    return 2 / np.pi * np.arcsin(np.sqrt(rho_k))


def noise_free(s: ArrayLike, rho_k: ArrayLike) -> NDArray[np.float64]:
    """Agreement with the true mean, freed of retraining noise: s* = (2/pi) asin(sin(pi s / 2) / sqrt(rho_k)).

    Shown beside s, never instead of it. Clipped to [-1, 1]; where rho_k is 0, the sign of s (nothing is known).
    """
    s, rho_k = np.asarray(s, dtype=np.float64), np.asarray(rho_k, dtype=np.float64)
    root = np.where(rho_k == 0, 1e-300, np.sqrt(rho_k))
    return 2 / np.pi * np.arcsin(np.clip(np.sin(np.pi * s / 2) / root, -1, 1))
