"""Studies with a known truth: a score, true metrics of n combinations, and a way to retrain them.

In every world the score c and the standardised true metric g have correlation `r`, and a share `rho` of the variance
of one repeat comes from the true metric. The metric is one of which higher scores have more (a loss).
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

Array = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """Combinations with their scores and true means, and their retraining."""

    score: Array
    truth: Array
    retrain: Callable[[np.random.Generator, int], Array]


def gaussian(n: int, r: float, rho: float, rng: np.random.Generator) -> World:
    c, g = _pair(rng.normal(size=n), r, rng)
    return _additive_noise(c, np.sqrt(rho) * g, np.sqrt(1 - rho))


def exponential(n: int, r: float, rho: float, rng: np.random.Generator) -> World:
    c, g = _pair(rng.normal(size=n), r, rng)
    mu = -np.log(norm.sf(g)) * np.sqrt(rho)

    def retrain(rng: np.random.Generator, k: int) -> Array:
        return mu[:, None] + np.sqrt(1 - rho) * (rng.exponential(size=(n, k)) - 1)

    return World(c, mu, retrain)


def collapsed(n: int, r: float, rho: float, rng: np.random.Generator) -> World:
    """Log-normal with multiplicative noise: a few combinations end far worse than the rest."""
    c, g = _pair(rng.normal(size=n), r, rng)

    def retrain(rng: np.random.Generator, k: int) -> Array:
        return np.exp(1.5 * (np.sqrt(rho) * g[:, None] + np.sqrt(1 - rho) * rng.normal(size=(n, k))))

    return World(c, np.exp(1.5 * np.sqrt(rho) * g + 1.5**2 * (1 - rho) / 2), retrain)


def rounded(n: int, r: float, rho: float, rng: np.random.Generator) -> World:
    """Gaussian, read off in steps of a quarter of a standard deviation: 7 % of the pairs of single repeats tie."""
    world = gaussian(n, r, rho, rng)
    return World(world.score, world.truth, lambda rng, k: np.round(4 * world.retrain(rng, k)) / 4)


def additive(n: int, r: float, rho: float, rng: np.random.Generator) -> World:
    """Sums of filter effects over all (or n of) the ways to remove filters of a layer."""
    filters, removed = {45: (10, 2), 120: (10, 3), 252: (10, 5)}.get(n, (16, 8))
    a, b = _pair(rng.normal(size=filters), r, rng)
    members = np.array(list(combinations(range(filters), removed)))
    members = members if len(members) == n else members[rng.permutation(len(members))[:n]]
    c, g = a[members].sum(axis=1), b[members].sum(axis=1)
    share = removed * (filters - removed) / (filters - 1) * b.var()
    return _additive_noise(c, np.sqrt(rho) * (g - removed * b.mean()) / np.sqrt(share), np.sqrt(1 - rho))


WORLDS = {world.__name__: world for world in (gaussian, exponential, collapsed, rounded, additive)}


def removed_filters(n: int) -> list[dict[str, list[int]]]:
    """The combinations of `additive`, in its order."""
    filters, removed = {45: (10, 2), 120: (10, 3), 252: (10, 5)}[n]
    return [{"conv1": list(members)} for members in combinations(range(filters), removed)]


def _pair(c: Array, r: float, rng: np.random.Generator) -> tuple[Array, Array]:
    return c, r * c + np.sqrt(1 - r**2) * rng.normal(size=len(c))


def _additive_noise(c: Array, mu: Array, sd: float) -> World:
    return World(c, mu, lambda rng, k: mu[:, None] + sd * rng.normal(size=(len(mu), k)))
