"""The noise ceiling, by hand and by simulation with known truth."""

import math

import numpy as np
import pytest
from numpy.typing import ArrayLike
from scipy.stats import kendalltau

from oraclecheck.analysis.statistics.uncertainty import ceiling, mean_tau, reliability


def simulate(seed: int, reliability: float, n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """True means and k noisy repeats of unit variance, a share `reliability` of it from the true mean."""
    generator = np.random.default_rng(seed)
    truth = math.sqrt(reliability) * generator.normal(size=n)
    noise = math.sqrt(1 - reliability) * generator.normal(size=(n, k))
    return truth, truth[:, None] + noise


def noise(finals: ArrayLike) -> tuple[float, float, float, float]:
    """Mean tau between repeats, reliability of one and of the mean of them, and the ceiling."""
    values = np.array(finals, dtype=float)
    t = mean_tau(values)
    rho_1, rho_k = reliability(t, values.shape[1])
    return t, float(rho_1), float(rho_k), float(ceiling(rho_k))


def test_ceiling_of_two_repeats_by_hand():
    # One of three pairs is swapped: t = 1/3, sin(pi/6) = 1/2, and two such repeats average to 2/3.
    s_max = math.degrees(math.asin(math.sqrt(2 / 3))) / 90
    assert noise([[0.1, 0.1], [0.2, 0.3], [0.3, 0.2]]) == pytest.approx((1 / 3, 1 / 2, 2 / 3, s_max))


def test_ceiling_of_three_repeats_averages_tau_over_their_pairs():
    # Repeats b and c are equal and swap one of three pairs of a: t = (1/3 + 1/3 + 1) / 3 = 5/9, an angle of 50 degrees.
    t, _, rho_k, _ = noise([[1, 1, 1], [2, 3, 3], [3, 2, 2]])
    rho_1 = math.sin(math.radians(50))
    assert t == pytest.approx(5 / 9)
    assert rho_k == pytest.approx(3 * rho_1 / (1 + 2 * rho_1))


def test_ceiling_is_one_without_noise_and_zero_where_repeats_disagree():
    assert noise([[1, 10], [2, 20], [3, 30]])[3] == 1
    assert noise([[1, 3], [2, 2], [3, 1]]) == (-1, 0, 0, 0)


def test_ceiling_is_not_defined_where_a_repeat_is_constant():
    assert math.isnan(noise([[1, 5], [2, 5], [3, 5]])[3])


@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("rho_1", [0.3, 0.6, 0.9])
def test_ceiling_finds_what_the_truth_shows_against_the_noisy_mean(rho_1, k):
    estimated, shown = [], []
    for seed in range(10):
        truth, finals = simulate(seed, rho_1, n=1000, k=k)
        estimated.append(noise(finals)[3])
        shown.append(kendalltau(truth, finals.mean(axis=1)).statistic)
    reliability_of_mean = rho_1 / (rho_1 + (1 - rho_1) / k)
    expected = 2 / math.pi * math.asin(math.sqrt(reliability_of_mean))
    assert np.mean(shown) == pytest.approx(expected, abs=0.015)
    assert np.mean(estimated) == pytest.approx(expected, abs=0.015)
