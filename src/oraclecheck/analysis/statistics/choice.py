"""What the criterion's choice costs: the regret, and how well the anomaly ratio is known."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm
from scipy.stats import t as student

from oraclecheck.analysis.statistics.balance import mean_of_repeats
from oraclecheck.analysis.statistics.pairs import checked_columns

Array = NDArray[np.float64]

# Resampled values at a time: 16 MiB each of numbers and of their places.
_BLOCK = 2**21


def regret(score: Array, finals: Array, *, higher_is_better: bool, draws: int, seed: int) -> tuple[float, float, float]:
    """How much better the best combination ends than the criterion's choice, cross-fitted.

    The best of n noisy means looks better than it is. Hence the best is chosen on all repeats but one and evaluated on
    that one, in turn. What is estimated is the true metric of the combination that k - 1 repeats call best, minus the
    choice's: never more on average than the regret against the true best, and close to it where there is little noise.

    The interval is the estimate and 1.96 standard deviations of the same estimate in simulated repeats: the means are
    drawn together until they vary as the true means do (analysis of variance), and noise is drawn from all residuals.
    It speaks about retraining these combinations again, in a sampled space too. In simulations it covers 93 to 97 %,
    and more where a few combinations collapse with larger noise than the rest.

    Args:
        score: Criterion score of each combination, shape (n,); the least is the choice (the average of several).
        finals: Final metric, shape (n, k), k >= 2, finite.
        higher_is_better: True for accuracy, False for loss.
        draws: Simulated studies.
        seed: Their seed.

    Returns:
        The regret in units of the metric, above 0 where the choice is worse than the best; low and high end.
    """
    merit = finals if higher_is_better else -finals
    n, k = merit.shape
    chosen = score == score.min()
    value = float(_regrets(merit[None], chosen)[0])
    means = merit.mean(axis=1)
    residuals = ((merit - means[:, None]) * np.sqrt(k / (k - 1))).ravel()
    noise, total = merit.var(axis=1, ddof=1).mean() / k, means.var(ddof=1)
    true_means = means.mean() + np.sqrt(max(0.0, 1 - noise / total) if total else 0.0) * (means - means.mean())
    generator, block = np.random.default_rng(seed), max(1, _BLOCK // (n * k))
    simulated = [
        _regrets(true_means[:, None] + residuals[generator.integers(n * k, size=(size, n, k), dtype=np.int32)], chosen)
        for size in np.diff([*range(0, draws, block), draws])
    ]
    reach = float(norm.ppf(0.975) * np.concatenate(simulated).std())
    return value, value - reach, value + reach


def _regrets(merits: Array, chosen: NDArray[np.bool_]) -> Array:
    """Cross-fitted regret of each study in merits, shape (studies, n, k)."""
    best = (merits.sum(axis=2, keepdims=True) - merits).argmax(axis=1)
    held_out = np.take_along_axis(merits, best[:, None, :], axis=1)[:, 0, :]
    return held_out.mean(axis=1) - merits[:, chosen, :].mean(axis=(1, 2))


def anomaly_ratio(score: ArrayLike, final: ArrayLike, *, higher_is_better: bool) -> float:
    """Share of combinations that end strictly better than the criterion's choice (Eq. 4 of paper 1).

    The choice is the combination with the least score and is one of the n; if several share the least score, the
    ratio is the average over them. It is in [0, 1), 0 if nothing is better than the choice.

    Raises:
        ValueError: As `checked_columns`, for n = 0.
    """
    score, final = checked_columns(score, final, least=1)
    merit = final if higher_is_better else -final
    better = len(merit) - np.searchsorted(np.sort(merit), merit[score == score.min()], side="right")
    return float(better.mean() / len(merit))


def anomaly_of_census(score: Array, finals: Array, *, higher_is_better: bool) -> tuple[float, float]:
    """95 % interval for the share of a census that ends better than the choice when all is retrained again.

    The choice's own noise moves it between the shares that are better than either end of the interval for the choice's
    mean. The others' noise adds the variance of as many independent comparisons with the choice. The two reaches are
    added in squares; the variance between repeats is pooled over the combinations.

    Args:
        score: Criterion score of each combination, shape (n,); the least is the choice (the average of several).
        finals: Final metric, shape (n, k), k >= 2, finite.
        higher_is_better: True for accuracy, False for loss.
    """
    merit = finals if higher_is_better else -finals
    n, k = merit.shape
    means = mean_of_repeats(merit)
    # Rounded as the means are: equal repeats may differ in their 16th digit.
    reach = np.round(student.ppf(0.975, n * (k - 1)) * np.sqrt(merit.var(axis=1, ddof=1).mean() / k), 12)
    chosen = np.flatnonzero(score == score.min())
    itself = np.arange(n)[:, None] == chosen
    low, value, high = (((means[:, None] > means[chosen] + shift) & ~itself).mean() for shift in (reach, 0, -reach))
    others = 0.0
    if reach > 0:
        better = norm.cdf((means[:, None] - means[chosen]) / (reach / norm.ppf(0.975)))
        others = norm.ppf(0.975) * np.sqrt((better * (1 - better) * ~itself).sum(axis=0).mean()) / n
    down, up = np.hypot(value - low, others), np.hypot(high - value, others)
    return max(0.0, float(value - down)), min(1.0, float(value + up))
