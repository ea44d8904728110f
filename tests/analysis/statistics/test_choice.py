"""Regret and the anomaly ratio's interval in a census: by hand and by simulation."""

import numpy as np
import pytest
from simulation import WORLDS

from oraclecheck.analysis.statistics.choice import anomaly_of_census, regret


def test_regret_evaluates_the_best_on_the_repeat_that_did_not_choose_it():
    # Combination 0 is the choice. Repeat 0 calls 1 the best, repeat 1 calls 2: 1 is worth 0.6 in repeat 1, 2 is worth
    # 0.5 in repeat 0; the choice has 0.4 and 0.3.
    finals = np.array([[0.4, 0.3], [0.9, 0.6], [0.5, 0.8]])
    found = regret(np.array([1.0, 2.0, 3.0]), finals, higher_is_better=True, draws=100, seed=0)
    assert found[0] == pytest.approx((0.6 + 0.5) / 2 - (0.4 + 0.3) / 2)
    losses = regret(np.array([1.0, 2.0, 3.0]), 1 - finals, higher_is_better=False, draws=100, seed=0)
    assert losses == pytest.approx(found)


def test_regret_without_noise_is_the_distance_to_the_best():
    finals = np.array([[0.4, 0.4, 0.4], [0.9, 0.9, 0.9], [0.5, 0.5, 0.5]])
    found = regret(np.array([1.0, 2.0, 3.0]), finals, higher_is_better=True, draws=100, seed=0)
    assert found == pytest.approx((0.5, 0.5, 0.5))
    tied = regret(np.array([1.0, 2.0, 1.0]), finals, higher_is_better=True, draws=100, seed=0)
    assert tied[0] == pytest.approx(0.45)


def test_regret_is_not_flattered_by_noise():
    # All combinations are equally good: the largest of 50 noisy means would be 2.2 / sqrt(3) above.
    rng = np.random.default_rng(0)
    found = [
        regret(np.arange(50.0), rng.normal(size=(50, 3)), higher_is_better=True, draws=1, seed=0)[0] for _ in range(400)
    ]
    assert np.mean(found) == pytest.approx(0, abs=0.15)


def test_anomaly_of_a_census_is_known_without_noise():
    finals = np.repeat(np.array([[0.5], [0.7], [0.4], [0.6]]), 3, axis=1)
    assert anomaly_of_census(np.arange(4.0), finals, higher_is_better=True) == (0.5, 0.5)
    assert anomaly_of_census(np.arange(4.0), finals, higher_is_better=False) == (0.25, 0.25)


def coverage(name: str, n: int, k: int, rho: float, worlds: int, studies: int, draws: int) -> tuple[float, float]:
    """Shares of studies whose interval holds the expected regret and the expected anomaly ratio."""
    regrets, anomalies = [], []
    for seed in range(worlds):
        rng = np.random.default_rng([seed, n, k])
        world = WORLDS[name](n, 0.3, rho, rng)
        choice = world.score.argmin()
        best = [world.retrain(rng, k - 1).mean(axis=1).argmin() for _ in range(200)]
        true_regret = world.truth[choice] - world.truth[best].mean()
        means = [world.retrain(rng, k).mean(axis=1) for _ in range(200)]
        true_anomaly = np.mean([(mean < mean[choice]).mean() for mean in means])
        for study in range(studies):
            finals = world.retrain(rng, k)
            _, least, most = regret(world.score, finals, higher_is_better=False, draws=draws, seed=study)
            low, high = anomaly_of_census(world.score, finals, higher_is_better=False)
            regrets.append(least <= true_regret <= most)
            anomalies.append(low <= true_anomaly <= high)
    return float(np.mean(regrets)), float(np.mean(anomalies))


def test_intervals_of_regret_and_anomaly_ratio_cover():
    of_regret, of_anomaly = coverage("gaussian", n=45, k=3, rho=0.6, worlds=40, studies=10, draws=200)
    assert of_regret == pytest.approx(0.95, abs=0.035)
    assert of_anomaly == pytest.approx(0.95, abs=0.035)


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0.3, 0.6, 0.9])
@pytest.mark.parametrize(("n", "k"), [(45, 2), (45, 3), (252, 3)])
@pytest.mark.parametrize("name", WORLDS)
def test_intervals_of_regret_and_anomaly_ratio_cover_in_every_world(name, n, k, rho):
    of_regret, of_anomaly = coverage(name, n, k, rho, worlds=200, studies=10, draws=300)
    print(f"{name} n={n} k={k} rho={rho}: regret {of_regret:.3f}, anomaly {of_anomaly:.3f}")
    # Where few combinations collapse with large noise, the pooled noise is too large for the rest.
    most = 1.0 if name == "collapsed" else 0.98
    assert 0.92 <= of_regret <= most
    assert 0.92 <= of_anomaly <= most
