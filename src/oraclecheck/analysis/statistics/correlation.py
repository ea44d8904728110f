"""How far a criterion's score agrees with the metric after retraining.

Paper 1 is Feng, Tao and Wang, "Is Oracle Pruning the True Oracle?" (arXiv 2412.00143). Everywhere `score` is the
criterion's score of each combination (lower means "better to remove") and `final` the metric of the same combinations
after retraining, both of shape (n,); `higher_is_better` is True for accuracy (d = -1) and False for loss (d = +1).
Infinite values are outcomes (a diverged run ranks worst). A ValueError refuses shapes that differ, n < 2 and NaN.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import kendalltau, pearsonr, rankdata, spearmanr

from oraclecheck.analysis.statistics.pairs import checked_columns, tie_share

# Definition 3.1 of paper 1.
VALID_AGREEMENT = 0.2
VALID_P = 0.05

# A tau of exactly 0.2 may come out of its square roots in the 17th digit above it; two different taus of up to 10,000
# combinations are more than this apart.
_ROUNDING = 1e-12

# Missing combinations beyond which bounds are those of an agreement of which nothing is known.
_MOST_MISSING = 10**9


def kendall(score: ArrayLike, final: ArrayLike) -> tuple[float, float]:
    """Kendall's tau-b and its two-sided p, as `scipy.stats.kendalltau` gives them.

    The p takes the combinations as independent. They share filters, so it is too small (see the noise of random
    additive filter effects); it is what paper 1 reports.

    Returns:
        tau-b in [-1, 1] and p; both NaN if all scores or all final metrics are equal, where tau is not defined.
    """
    score, final = checked_columns(score, final, least=2)
    result = kendalltau(score, final)
    return float(result.statistic), float(result.pvalue)


def agreement(score: ArrayLike, final: ArrayLike, *, higher_is_better: bool) -> float:
    """Agreement s = d tau-b in [-1, 1]: positive when the criterion points the right way, never |tau|; NaN as tau."""
    return signed(kendall(score, final)[0], higher_is_better=higher_is_better)


def kendall_a(score: ArrayLike, final: ArrayLike) -> float:
    """Kendall's tau-a, paper 1's Eq. 3: concordant minus discordant pairs over all pairs, tied ones included.

    It is 0 if all scores or all final metrics are equal.
    """
    untied = (1 - tie_share(score)) * (1 - tie_share(final))
    return kendall(score, final)[0] * float(np.sqrt(untied)) if untied else 0.0


def linear_correlations(score: ArrayLike, final: ArrayLike) -> tuple[float, float]:
    """Spearman's and Pearson's correlation, as scipy gives them.

    Both are NaN if all scores or all final metrics are equal, and Pearson's is if a value is infinite.
    """
    score, final = checked_columns(score, final, least=2)
    if min(np.ptp(rankdata(score)), np.ptp(rankdata(final))) == 0:
        return float("nan"), float("nan")
    finite = np.isfinite(score).all() and np.isfinite(final).all()
    spearman = spearmanr(rankdata(score), rankdata(final)).statistic
    return float(spearman), float(pearsonr(score, final).statistic) if finite else float("nan")


def signed(tau: float, *, higher_is_better: bool) -> float:
    """Agreement s for a tau that is already known; higher is better for s, whichever way the metric points."""
    return (-tau if higher_is_better else tau) + 0.0  # + 0.0 turns -0.0 into 0.0


def agreement_bounds(
    score: ArrayLike, final: ArrayLike, missing: int, *, higher_is_better: bool
) -> tuple[float, float]:
    """Least and greatest agreement that there could be, were some missing combinations known as well.

    At best every pair with a missing combination is concordant and none is tied, at worst every one is discordant.
    """
    score, final = checked_columns(score, final, least=2)
    pairs = len(score) * (len(score) - 1) / 2
    missing = min(missing, _MOST_MISSING)  # a space may have more combinations than floats can count
    new = missing * len(score) + missing * (missing - 1) / 2
    untied = (1 - tie_share(score)) * pairs + new, (1 - tie_share(final)) * pairs + new
    surplus = signed(kendall_a(score, final), higher_is_better=higher_is_better) * pairs
    if not all(untied):
        return float("nan"), float("nan")
    root = float(np.sqrt(untied[0] * untied[1]))
    return (surplus - new) / root, (surplus + new) / root


def is_valid(s: float, p: float) -> bool:
    """Whether a criterion is valid by Definition 3.1 of paper 1: agreement s > 0.2 and two-sided p < 0.05, unrounded.

    An undefined agreement (NaN) is not valid.
    """
    return s > VALID_AGREEMENT + _ROUNDING and p < VALID_P
