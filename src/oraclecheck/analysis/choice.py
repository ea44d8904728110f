"""What the criterion's choice costs: the regret, and how well the anomaly ratio is known."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student
from statsmodels.stats.proportion import proportion_confint


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


UNDEFINED = Estimate(float("nan"), float("nan"), float("nan"))


def regret(score: NDArray[np.float64], finals: NDArray[np.float64], *, higher_is_better: bool) -> Estimate:
    """How much better the best combination ends than the criterion's choice, cross-fitted.

    The largest of n noisy means is too large. Hence the best is chosen on all repeats but one and evaluated on that
    one, in turn; what is estimated is the true metric of the combination that k - 1 repeats call best, minus the
    choice's. The interval comes from the pooled variance between repeats.

    Args:
        score: Criterion score of each combination, shape (n,); the least is the choice (the average of several).
        finals: Final metric, shape (n, k), k >= 2, finite.
        higher_is_better: True for accuracy, False for loss.

    Returns:
        The regret in units of the metric; above 0 where the choice is worse than the best.
    """
    merit = finals if higher_is_better else -finals
    n, k = merit.shape
    chosen = merit[score == score.min()].mean(axis=0)
    others = (merit.sum(axis=1, keepdims=True) - merit) / (k - 1)
    differences = merit[others.argmax(axis=0), np.arange(k)] - chosen
    spread = np.sqrt(merit.var(axis=1, ddof=1).mean() * 2 / k)
    reach = student.ppf(0.975, n * (k - 1)) * spread
    value = float(differences.mean())
    return Estimate(value, value - reach, value + reach)


def anomaly_of_sample(better: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval for the share of a space that ends better than the choice, given the choice.

    Args:
        better: Combinations of the sample that end strictly better; an average where several tie for the choice.
        n: Combinations in the sample.
    """
    low, high = proportion_confint(better, n, alpha=0.05, method="wilson")
    return float(low), float(high)


def anomaly_of_census(
    score: NDArray[np.float64], finals: NDArray[np.float64], *, higher_is_better: bool
) -> tuple[float, float]:
    """95 % interval for the share of a census that ends better than the choice, from the choice's retraining noise.

    The ends are the shares better than the ends of the interval for the choice's own mean.

    Args:
        score: Criterion score of each combination, shape (n,); the least is the choice.
        finals: Final metric, shape (n, k), k >= 2, finite.
        higher_is_better: True for accuracy, False for loss.
    """
    merit = finals if higher_is_better else -finals
    n, k = merit.shape
    means = merit.mean(axis=1)
    reach = student.ppf(0.975, n * (k - 1)) * np.sqrt(merit.var(axis=1, ddof=1).mean() / k)
    chosen = means[score == score.min()].mean()
    return float((means > chosen + reach).mean()), float((means > chosen - reach).mean())
