"""How far the agreement moves when the same combinations are retrained again: the interval of a census.

Resampling k = 2 or 3 repeats within each combination answers this badly: the variance between resampled repeats is
(k - 1)/k of the true one, and the resampled means scatter around means that are noisy already. In simulations its
percentile intervals cover 69 to 93 % instead of 95 %. Here the variance of tau is put together from
what each combination's noise does to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from oraclecheck.analysis.statistics.balance import mean_of_repeats
from oraclecheck.analysis.statistics.uncertainty import mean_tau, reliability

Array = NDArray[np.float64]

# As good as infinite, which NumPy's t distribution cannot draw.
_MOST_FREEDOM = 1e9


def agreement_error(score: Array, finals: Array) -> tuple[float, float]:
    """Standard error of the agreement from retraining noise alone, the combinations being fixed.

    With the t quantile of its degrees of freedom (Satterthwaite's) it makes an interval for the agreement that
    retraining these combinations k times shows on average.

    Retraining a combination moves its mean, and tau-b with it, independently of the others, so that the variances add
    up. That of one repeat can be estimated without bias, because two repeats are two trials; `_of_one_repeat` carries
    it to the mean of k under a Gaussian copula. `_of_the_mean` takes the differences between repeats for differences
    between means. The larger of the two is used: the first holds for skewed and multiplicative noise, the second where
    there is little noise.

    Args:
        score: Criterion score of each combination, shape (n,), without NaN.
        finals: Final metric, shape (n, k); NaN where a repeat is missing. Combinations with a repeat that is not finite
            count with the average variance of the others.

    Returns:
        Standard error and degrees of freedom; a NaN error if no two combinations have k >= 2 finite repeats, or tau is
        not defined.
    """
    return _error(_direction(score), finals)


def difference_error(score_a: Array, score_b: Array, finals: Array) -> tuple[float, float]:
    """The same for the difference of the agreements of two criteria with the same retrainings; see `agreement_error`.

    Both agreements move with the same noise, which counts only where the criteria order combinations differently.

    Args:
        score_a: One criterion's score of each combination, shape (n,), without NaN.
        score_b: The other's.
        finals: Final metric, shape (n, k); NaN where a repeat is missing.
    """
    return _error(_direction(score_a) - _direction(score_b), finals)


def _direction(score: Array) -> Array:
    """Signs of the differences of scores, over the root of the untied pairs; NaN if all are tied."""
    differences = _rank_differences(score)
    with np.errstate(invalid="ignore"):
        return np.sign(differences) / np.sqrt(np.count_nonzero(differences) / 2)


def joint_error(partial: Array, finals: Array) -> tuple[float, float]:
    """Standard error of tau-b between two metrics of the same retrainings, the combinations being fixed.

    Retraining a combination moves both of its means together. As in `_of_the_mean`, what half a difference between two
    repeats does to the numerator of tau, in both metrics at once, estimates the variance.

    Args:
        partial: One metric, shape (n, k), finite, such as that after a part of the retraining.
        finals: The other.

    Returns:
        Standard error and degrees of freedom; a NaN error for k = 1, or where all means of a metric are tied.
    """
    k, n = finals.shape[1], len(finals)
    means = [mean_of_repeats(values) for values in (partial, finals)]
    untied = [np.count_nonzero(_rank_differences(each)) / 2 for each in means]
    if k < 2 or n < 2 or min(untied) == 0:
        return float("nan"), _MOST_FREEDOM
    moves = []
    for r, q in combinations(range(k), 2):
        halves = [(values[:, r] - values[:, q]) / np.sqrt(k) / 2 for values in (partial, finals)]
        up, down = (_joint_numerators(means, [side * half for half in halves]) for side in (1, -1))
        moves.append((up - down) / np.sqrt(2))
    variances = np.square(moves).mean(axis=0)
    error = np.sqrt(variances.sum() / (untied[0] * untied[1]))
    spread = n * variances.var(ddof=1)
    return float(error), float(2 * variances.sum() ** 2 / spread) if spread else _MOST_FREEDOM


def _joint_numerators(means: Sequence[Array], shifts: Sequence[Array]) -> Array:
    """Concordant minus discordant pairs of each combination with all others, were it alone moved in both metrics."""
    signs = [np.sign((mean + shift)[:, None] - mean) for mean, shift in zip(means, shifts, strict=True)]
    product = signs[0] * signs[1]
    return product.sum(axis=1) - np.diagonal(product)


def agreement_covariance(scores: Sequence[Array], finals: Array) -> Array:
    """Covariance of the agreements of criteria with the same retrainings, from retraining noise alone.

    Its diagonal is the square of `agreement_error`'s, but for which of the two estimates is larger: here the sum over
    the criteria decides, so that all have the same.

    Args:
        scores: One score of each combination for each criterion, shape (n,) each, without NaN.
        finals: Final metric, shape (n, k); NaN where a repeat is missing.

    Returns:
        Shape (criteria, criteria); NaN where `agreement_error` gives NaN for any of them.
    """
    directions = [_direction(score) for score in scores]
    noise = [_Noise.of(direction, finals) for direction in directions]
    if any(each is None for each in noise):
        return np.full((len(scores),) * 2, np.nan)
    known = [each for each in noise if each is not None]
    estimates = (np.stack([moves[i] for moves in (each.moves for each in known)]) for i in range(2))
    largest = max(estimates, key=lambda moves: float(np.square(moves).mean(axis=2).sum()))
    n, untied = len(finals), known[0].untied
    return np.einsum("ait,bit->ab", largest, largest) / largest.shape[1] / largest.shape[2] * n / untied


def _error(direction: Array, finals: Array) -> tuple[float, float]:
    noise = _Noise.of(direction, finals)
    if noise is None:
        return float("nan"), _MOST_FREEDOM
    variances = max((np.square(moves).mean(axis=1) for moves in noise.moves), key=np.sum)
    error = np.sqrt(variances.mean() * len(direction) / noise.untied)
    spread = len(variances) * variances.var(ddof=1)
    return float(error), float(2 * variances.sum() ** 2 / spread) if spread else _MOST_FREEDOM


@dataclass(frozen=True)
class _Noise:
    """What each combination's noise does to the numerator of an agreement.

    Attributes:
        moves: Two estimates, by `_of_the_mean` and `_of_one_repeat`: numbers of each combination, shape (n, ...), whose
            mean square is the variance that its noise makes.
        untied: Pairs of combinations that end differently, which the numerator is divided by the root of.
    """

    moves: tuple[Array, Array]
    untied: float

    @classmethod
    def of(cls, direction: Array, finals: Array) -> "_Noise | None":
        """None where no two combinations have k >= 2 finite repeats, or tau is not defined."""
        steady = np.asarray(np.isfinite(finals).all(axis=1))
        means = mean_of_repeats(finals)
        untied = np.count_nonzero(_rank_differences(means)) / 2
        if finals.shape[1] < 2 or steady.sum() < 2 or untied == 0 or np.isnan(direction).any():
            return None
        direction = direction[steady]
        moves = (_of_the_mean(direction, finals, means, steady), _of_one_repeat(direction, finals, steady))
        return cls(moves, untied)


def _of_the_mean(direction: Array, finals: Array, means: Array, steady: NDArray[np.bool_]) -> Array:
    """Moves of the numerator of tau when a combination's mean moves by its noise, one for each pair of repeats.

    Two means of k repeats differ like (y_ir - y_iq) / sqrt(k); half the squared change of the numerator over such a
    difference, centred at the mean, estimates the variance.
    """
    k = finals.shape[1]
    values = finals[steady]
    half = np.stack([values[:, r] - values[:, q] for r, q in combinations(range(k), 2)], axis=1) / np.sqrt(k) / 2
    centre = means[steady, None]
    up, down = np.split(_numerators(direction, means[:, None], np.hstack([centre + half, centre - half])), 2, axis=1)
    return (up - down) / np.sqrt(2)


def _of_one_repeat(direction: Array, finals: Array, steady: NDArray[np.bool_]) -> Array:
    """The same from what the numerator does between single repeats, one for each repeat.

    With Gaussian noise and a score that is unrelated to it, a repeat of reliability rho leaves a share
    1 - (6/pi) asin(rho/2) of the numerator's variance to noise; this carries it from one repeat to the mean of k.
    """
    k = finals.shape[1]
    rho = reliability(mean_tau(finals[steady]), k)
    one, mean = (share_of_noise(float(value)) for value in rho)
    share = mean / one if one > 1e-9 else 1 / k
    numerators = _numerators(direction, finals, finals[steady])
    moves = (numerators - numerators.mean(axis=1, keepdims=True)) * np.sqrt(k / (k - 1))
    return np.zeros_like(moves) if np.isnan(share) else moves * np.sqrt(share)


def share_of_noise(rho: float) -> float:
    """The share of the variance of tau's numerator that noise leaves, by the reliability of the metric; see above."""
    return float(1 - 6 / np.pi * np.arcsin(rho / 2))


def _numerators(direction: Array, others: Array, levels: Array) -> Array:
    """Concordant minus discordant pairs of combination i with all, if its final metric had the levels of row i.

    The others keep their values; where they have several, each counts with an equal share.
    """
    there = ~np.isnan(others)
    weights = (there / there.sum(axis=1, keepdims=True)).ravel()
    flat = np.where(there, others, np.inf).ravel()
    order = np.argsort(flat, kind="stable")
    steps = np.repeat(direction, others.shape[1], axis=1)[:, order] * weights[order]
    below = np.concatenate([np.zeros((len(direction), 1)), np.cumsum(steps, axis=1)], axis=1)
    rows = np.arange(len(levels))[:, None]
    left, right = (np.searchsorted(flat[order], levels, side=side) for side in ("left", "right"))
    return below[rows, left] + below[rows, right] - below[:, -1:]


def _rank_differences(values: Array) -> Array:
    ranks = rankdata(values, method="dense").astype(np.float64)
    return ranks[:, None] - ranks
