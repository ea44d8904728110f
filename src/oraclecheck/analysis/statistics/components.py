"""Where the variance of a final metric comes from, and which further runs would narrow an interval over networks.

A final metric is y = mu + N_d + C_di + e_dir: of dense network d, of combination i in it, of repeat r. Combinations are
nested in networks, since filter 3 of one network has nothing to do with filter 3 of another.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from oraclecheck.analysis.statistics.retraining_noise import share_of_noise

Array = NDArray[np.float64]

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Components:
    """Variances, in squared units of the metric; negative estimates are 0.

    Attributes:
        network: Between dense networks; NaN of a single one.
        combination: Between the true means of the combinations of a network.
        repeat: Between retrainings of one combination.
    """

    network: float
    combination: float
    repeat: float

    @classmethod
    def of(cls, finals: Sequence[Array]) -> "Components":
        """By the method of moments (analysis of variance).

        Args:
            finals: For each dense network the metric of its combinations and repeats, shape (n_d, k), finite; n_d >= 2
                may differ, k >= 2 is the same.
        """
        k, sizes = finals[0].shape[1], np.array([len(each) for each in finals], dtype=float)
        m, total = len(finals), float(sum(len(each) for each in finals))
        means = [each.mean(axis=1) for each in finals]
        centres = np.array([each.mean() for each in means])
        within = sum(float(np.square(each - mean[:, None]).sum()) for each, mean in zip(finals, means, strict=True))
        between = k * sum(float(np.square(mean - mean.mean()).sum()) for mean in means)
        repeat, combination = within / (total * (k - 1)), between / (total - m)
        network = np.nan
        if m > 1:
            grand = (sizes * centres).sum() / total
            effective = (total - np.square(sizes).sum() / total) / (m - 1)
            mean_square = k * (sizes * np.square(centres - grand)).sum() / (m - 1)
            network = max(0.0, float(mean_square - combination) / (k * effective))
        return cls(network, max(0.0, combination - repeat) / k, repeat)

    def reliability(self, k: int) -> float:
        """Share of the variance between means of k repeats that is not noise: rho_k by the analysis of variance."""
        total = self.combination + self.repeat / k
        return self.combination / total if total else np.nan


@dataclass(frozen=True)
class Agreements:
    """The agreements of m dense networks of one setting, and what is known of each.

    Attributes:
        s: Agreements, shape (m,).
        variance: Of each, from retraining noise and from which combinations were sampled, as its own interval says,
            shape (m,).
        rho: Reliability rho_k of the mean of k repeats in each, shape (m,); NaN where it is not known.
        n: Combinations.
        k: Repeats.
        is_census: Whether the combinations are all there are.
    """

    s: Array
    variance: Array
    rho: Array
    n: int
    k: int
    is_census: bool

    @property
    def known(self) -> float:
        """The part of the variance of s over networks that is there because of n and k: on average, at most all."""
        return min(float(self.variance.mean()), float(self.s.var(ddof=1))) if len(self.s) > 1 else np.nan

    @property
    def rest(self) -> float:
        """The part that only more networks average out."""
        return float(self.s.var(ddof=1)) - self.known if len(self.s) > 1 else np.nan

    def half_width(self, networks: int, n: int, k: int) -> float:
        """Half the width of the 95 % t-interval of the mean of s, were there so many networks, combinations, repeats.

        It is t(0.975, m - 1) sqrt((rest + known) / m). More combinations divide the sampling
        variance. More repeats raise the reliability (Spearman and Brown), and s with it, by sin(pi s / 2) ~ sqrt(rho);
        the spread that the networks have grows likewise, and what noise leaves of the variance of s shrinks as under a
        Gaussian copula: 1 - (6/pi) asin(rho/2) of it in a census (see `retraining_noise`), and of a sample, whose
        combinations differ anyway, 1/9 - 4/pi^2 asin(r/2)^2 with r = sin(pi s / 2).

        Args:
            networks: At least 2.
            n: Combinations.
            k: Repeats.

        Returns:
            NaN where the reliability is needed and not known.
        """
        spread, quantile = float(self.s.var(ddof=1)), student.ppf(0.975, networks - 1)
        if (n, k) == (self.n, self.k):
            return float(quantile * np.sqrt(spread / networks))
        correlation = np.sin(np.pi * self.s / 2)
        moved, noise = correlation, np.ones_like(self.s)
        if k != self.k:
            rho_1 = self.rho / (self.k - (self.k - 1) * self.rho)
            rho = k * rho_1 / (1 + (k - 1) * rho_1)
            with np.errstate(invalid="ignore", divide="ignore"):
                growth = np.where(self.rho == 0, 1.0, np.sqrt(rho / self.rho))
            moved = np.clip(correlation * growth, -1, 1)
            pairs = (rho, self.rho) if self.is_census else (moved, correlation)
            of = share_of_noise if self.is_census else _sampling
            ratios = ((of(float(new)), of(float(old))) for new, old in zip(*pairs, strict=True))
            noise = np.array([new / old if old > _ROUNDING else 1.0 for new, old in ratios])
        widened = (2 / np.pi * np.arcsin(moved)).var(ddof=1) / spread if spread > 0 else 1.0
        share = float((self.variance * noise).mean() / self.variance.mean()) if self.known > 0 else 1.0
        known = self.known * share * (self.n / n)
        return float(quantile * np.sqrt((self.rest * widened + known) / networks))


def _sampling(r: float) -> float:
    """The variance of tau in a sample of a Gaussian copula with correlation r, times n / 4, for large n."""
    return max(_ROUNDING, 1 / 9 - float(np.arcsin(r / 2) * 2 / np.pi) ** 2)
