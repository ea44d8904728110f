"""Intervals of agreement, reliability and noise-free agreement: their coverage where the truth is known."""

import math
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import kendalltau
from simulation import WORLDS, Array, World

from oraclecheck.analysis.intervals import noise_and_intervals
from oraclecheck.analysis.retraining_noise import agreement_error

NAMES = ("agreement", "rho_k", "noise_free")


def estimands(s: float, t: float, k: int) -> tuple[float, float, float]:
    """Agreement, reliability of the mean of k and noise-free agreement, by the formulas written out again."""
    rho_1 = max(0.0, math.sin(math.pi * t / 2))
    rho_k = k * rho_1 / (1 + (k - 1) * rho_1)
    ratio = math.sin(math.pi * s / 2) / math.sqrt(rho_k)
    return s, rho_k, 2 / math.pi * math.asin(min(1, max(-1, ratio)))


def taus(score: Array, finals: Array) -> tuple[float, float]:
    between = [kendalltau(finals[:, r], finals[:, q]).statistic for r, q in combinations(range(finals.shape[1]), 2)]
    return kendalltau(score, finals.mean(axis=1)).statistic, float(np.mean(between))


def of_population(name: str, k: int, r: float, rho: float) -> tuple[float, float, float]:
    rng = np.random.default_rng(1)
    world = WORLDS[name](30_000, r, rho, rng)
    return estimands(*taus(world.score, world.retrain(rng, k)), k)


def of_census(world: World, k: int, rng: np.random.Generator, retrainings: int) -> tuple[float, float, float]:
    found = [taus(world.score, world.retrain(rng, k)) for _ in range(retrainings)]
    return estimands(*np.mean(found, axis=0), k)


def held(score: Array, finals: Array, census: bool, truth: tuple[float, ...], seed: int) -> list[bool]:
    row, _ = noise_and_intervals(score, finals, higher_is_better=False, census=census, draws=400, seed=seed)
    return [row[f"{name}_low"] <= true <= row[f"{name}_high"] for name, true in zip(NAMES, truth, strict=True)]


def coverage_of_sample(name: str, n: int, k: int, r: float, rho: float, studies: int) -> Array:
    truth = of_population(name, k, r, rho)
    hits = []
    for seed in range(studies):
        rng = np.random.default_rng([seed, n, k])
        world = WORLDS[name](n, r, rho, rng)
        hits.append(held(world.score, world.retrain(rng, k), False, truth, seed))
    return np.mean(hits, axis=0)


def coverage_of_census(
    name: str, n: int, k: int, r: float, rho: float, networks: int, studies: int, retrainings: int = 20
) -> Array:
    hits = []
    for seed in range(networks):
        rng = np.random.default_rng([seed, n, k])
        world = WORLDS[name](n, r, rho, rng)
        truth = of_census(world, k, rng, retrainings)
        hits += [held(world.score, world.retrain(rng, k), True, truth, study) for study in range(studies)]
    return np.mean(hits, axis=0)


@pytest.mark.parametrize("name", ["gaussian", "collapsed"])
def test_intervals_of_a_sample_cover_the_space(name):
    found = coverage_of_sample(name, n=60, k=3, r=0.4, rho=0.6, studies=300)
    assert found == pytest.approx([0.95] * 3, abs=0.035)


@pytest.mark.parametrize("name", ["additive", "collapsed"])
def test_intervals_of_a_census_cover_its_retrainings(name):
    found = coverage_of_census(name, n=45, k=3, r=0.4, rho=0.6, networks=25, studies=12)
    assert found == pytest.approx([0.95] * 3, abs=0.045)


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0.3, 0.8])
@pytest.mark.parametrize("r", [0.0, 0.6])
@pytest.mark.parametrize(("n", "k"), [(45, 2), (45, 3), (252, 3)])
@pytest.mark.parametrize("name", ["gaussian", "exponential", "collapsed", "rounded"])
def test_intervals_of_a_sample_cover_the_space_in_every_world(name, n, k, r, rho):
    found = coverage_of_sample(name, n, k, r, rho, studies=400)
    print(f"sample {name} n={n} k={k} r={r} rho={rho}: {found.round(3)}")
    assert (found >= 0.915).all() and (found <= 0.99).all()


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0.3, 0.8])
@pytest.mark.parametrize("r", [0.0, 0.6])
@pytest.mark.parametrize(("n", "k"), [(45, 2), (45, 3), (252, 3)])
@pytest.mark.parametrize("name", WORLDS)
def test_intervals_of_a_census_cover_its_retrainings_in_every_world(name, n, k, r, rho):
    found = coverage_of_census(name, n, k, r, rho, networks=40, studies=10, retrainings=60)
    print(f"census {name} n={n} k={k} r={r} rho={rho}: {found.round(3)}")
    assert (found >= 0.88).all() and (found <= 0.99).all()


def test_error_of_a_census_is_the_spread_over_retrainings():
    rng = np.random.default_rng(0)
    world = WORLDS["additive"](120, 0.5, 0.7, rng)
    studies = [world.retrain(rng, 3) for _ in range(200)]
    spread = np.std([kendalltau(world.score, finals.mean(axis=1)).statistic for finals in studies])
    errors = [agreement_error(world.score, finals)[0] for finals in studies[:40]]
    assert np.mean(errors) == pytest.approx(spread, rel=0.12)


def test_error_without_noise_is_zero_and_without_repeats_unknown():
    score, finals = np.arange(12.0), np.repeat(np.arange(12.0)[::-1, None], 3, axis=1)
    assert agreement_error(score, finals)[0] == pytest.approx(0, abs=1e-12)
    assert math.isnan(agreement_error(score, finals[:, :1])[0])
    assert math.isnan(agreement_error(np.ones(12), finals)[0])


def test_error_does_not_depend_on_units_or_on_which_repeat_is_which():
    rng = np.random.default_rng(0)
    score, finals = rng.normal(size=30), rng.normal(size=(30, 3))
    error, freedom = agreement_error(score, finals)
    assert agreement_error(-5 * score, 100 * finals[:, [2, 0, 1]] + 3) == pytest.approx((error, freedom))


def test_ends_are_in_the_direction_of_the_agreement():
    rng = np.random.default_rng(0)
    score, finals = rng.normal(size=30), rng.normal(size=(30, 2))
    for census in (True, False):
        loss, _ = noise_and_intervals(score, finals, higher_is_better=False, census=census, draws=500, seed=0)
        accuracy, _ = noise_and_intervals(score, -finals, higher_is_better=True, census=census, draws=500, seed=0)
        assert loss == pytest.approx(accuracy)
