"""What retraining noise leaves for a criterion to agree with."""

from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oraclecheck.analysis.statistics.correlation import kendall


def mean_tau(finals: NDArray[np.float64]) -> float:
    """Mean tau-b between two repeats, in [-1, 1]; NaN if a repeat gives all combinations the same value.

    Args:
        finals: Final metric of each combination and repeat, shape (n, k), n >= 2 and k >= 2, finite; accuracy or loss,
            it is the same whichever way is better.
    """
    return float(np.mean([kendall(first, second)[0] for first, second in combinations(finals.T, 2)]))


def reliability(t: ArrayLike, k: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Reliability of one repeat and of the mean of k repeats, each in [0, 1], from the mean tau-b between repeats.

    Greiner's relation rho = sin(pi tau / 2) turns the agreement between repeats into a reliability, 0 if they do not
    agree (t <= 0), and the formula of Spearman and Brown raises it to the mean of k repeats.
    """
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
    """The noise ceiling: the agreement that a perfect predictor shows where the mean of the repeats has a reliability.

    It is Greiner's relation backwards. This assumes a Gaussian copula and speaks about one dense network and one test
    set. It is unbiased for Gaussian metrics and up to 0.11 too high for heavy-tailed ones, such as a study in which
    some networks collapse.
    """
    return 2 / np.pi * np.arcsin(np.sqrt(rho_k))


def noise_free(s: ArrayLike, rho_k: ArrayLike) -> NDArray[np.float64]:
    """Agreement with the true mean, freed of retraining noise: s* = (2/pi) asin(sin(pi s / 2) / sqrt(rho_k)).

    Shown beside s, never instead of it. Clipped to [-1, 1]; where rho_k is 0, the sign of s (nothing is known).
    """
    s, rho_k = np.asarray(s, dtype=np.float64), np.asarray(rho_k, dtype=np.float64)
    root = np.where(rho_k == 0, 1e-300, np.sqrt(rho_k))
    return 2 / np.pi * np.arcsin(np.clip(np.sin(np.pi * s / 2) / root, -1, 1))
