"""How often the 95 % intervals of agreement, reliability and noise-free agreement hold the truth, in simulated studies.

    python tests/support/interval_coverage.py

measures every setting, with its Monte Carlo error, and writes interval_coverage.csv beside this file (about an hour on
one core). The tests of the intervals measure again, with other seeds, and compare.
"""

import csv
import math
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import kendalltau
from simulation import WORLDS, Array, World

from oraclecheck.analysis.statistics.intervals import noise_and_intervals

TABLE = Path(__file__).with_suffix(".csv")
NAMES = ("agreement", "rho_k", "noise_free")
SETTING = ("kind", "world", "n", "k", "r", "rho")

SIZES = {(45, 2): (1000, 100), (45, 3): (1000, 100), (252, 3): (500, 50)}
"""(n, k) -> simulated studies of samples, and networks with eight studies each of censuses, in the table."""


def estimands(s: float, t: float, k: int) -> tuple[float, float, float]:
    """Agreement, reliability of the mean of k and noise-free agreement, by the formulas written out again."""
    rho_1 = max(0.0, math.sin(math.pi * t / 2))
    rho_k = k * rho_1 / (1 + (k - 1) * rho_1)
    ratio = math.sin(math.pi * s / 2) / math.sqrt(rho_k)
    return s, rho_k, 2 / math.pi * math.asin(min(1, max(-1, ratio)))


def settings() -> list[tuple[str, str, int, int, float, float]]:
    """Every setting: a world, n combinations, k repeats, correlation r of score and truth, reliability rho of one."""
    kinds = [("census", name) for name in WORLDS] + [("sample", name) for name in WORLDS if name != "additive"]
    numbers = product(SIZES, kinds, (0.0, 0.6), (0.3, 0.8))
    return [(kind, name, n, k, r, rho) for (n, k), (kind, name), r, rho in numbers]


def coverage_of_sample(
    name: str, n: int, k: int, r: float, rho: float, *, studies: int, draws: int = 400, base: tuple[int, ...] = ()
) -> tuple[Array, Array]:
    """Shares of studies whose intervals hold the numbers of the whole space, and their Monte Carlo errors."""
    truth, hits = _of_population(name, k, r, rho), []
    for seed in range(studies):
        rng = np.random.default_rng([*base, seed, n, k])
        world = WORLDS[name](n, r, rho, rng)
        hits.append(_held(world.score, world.retrain(rng, k), False, truth, draws, seed))
    return _mean_and_error(np.array(hits, float))


def coverage_of_census(
    name: str,
    n: int,
    k: int,
    r: float,
    rho: float,
    *,
    networks: int,
    studies: int,
    retrainings: int,
    draws: int = 400,
    base: tuple[int, ...] = (),
) -> tuple[Array, Array]:
    """The same of censuses: what retraining the same combinations shows on average. Networks are independent."""
    of_networks = []
    for seed in range(networks):
        rng = np.random.default_rng([*base, seed, n, k])
        world = WORLDS[name](n, r, rho, rng)
        truth = _of_census(world, k, rng, retrainings)
        hits = [_held(world.score, world.retrain(rng, k), True, truth, draws, study) for study in range(studies)]
        of_networks.append(np.mean(hits, axis=0))
    return _mean_and_error(np.array(of_networks))


def stated() -> pd.DataFrame:
    """The table that was measured."""
    return pd.read_csv(TABLE)


def _taus(score: Array, finals: Array) -> tuple[float, float]:
    between = [kendalltau(finals[:, r], finals[:, q]).statistic for r, q in combinations(range(finals.shape[1]), 2)]
    return kendalltau(score, finals.mean(axis=1)).statistic, float(np.mean(between))


def _of_population(name: str, k: int, r: float, rho: float) -> tuple[float, float, float]:
    rng = np.random.default_rng(1)
    world = WORLDS[name](30_000, r, rho, rng)
    return estimands(*_taus(world.score, world.retrain(rng, k)), k)


def _of_census(world: World, k: int, rng: np.random.Generator, retrainings: int) -> tuple[float, float, float]:
    found = [_taus(world.score, world.retrain(rng, k)) for _ in range(retrainings)]
    return estimands(*np.mean(found, axis=0), k)


def _held(score: Array, finals: Array, census: bool, truth: tuple[float, ...], draws: int, seed: int) -> list[bool]:
    row, _ = noise_and_intervals(score, finals, higher_is_better=False, census=census, draws=draws, seed=seed)
    return [row[f"{name}_low"] <= true <= row[f"{name}_high"] for name, true in zip(NAMES, truth, strict=True)]


def _mean_and_error(hits: Array) -> tuple[Array, Array]:
    return hits.mean(axis=0), hits.std(axis=0, ddof=1) / np.sqrt(len(hits))


def main() -> None:
    with TABLE.open("w", newline="", buffering=1) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*SETTING, *(f"{name}{part}" for name in NAMES for part in ("", "_error"))])
        for kind, *setting in settings():
            studies, networks = SIZES[setting[1], setting[2]]
            if kind == "sample":
                found = coverage_of_sample(*setting, studies=studies, draws=800)
            else:
                retrainings = 150 if studies == 1000 else 100
                found = coverage_of_census(*setting, networks=networks, studies=8, retrainings=retrainings, draws=800)
            writer.writerow([kind, *setting, *(f"{value:.4f}" for pair in zip(*found, strict=True) for value in pair)])
            print(kind, *setting, found[0].round(3), flush=True)


if __name__ == "__main__":
    main()
