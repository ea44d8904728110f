"""The noise ceiling, by hand and by simulation with known truth."""

import math

import numpy as np
import pytest
from scipy.stats import kendalltau

from oraclecheck.analysis.statistics.uncertainty import noise_ceiling


def simulate(seed: int, reliability: float, n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """True means and k noisy repeats of unit variance, a share `reliability` of it from the true mean."""
    generator = np.random.default_rng(seed)
    truth = math.sqrt(reliability) * generator.normal(size=n)
    noise = math.sqrt(1 - reliability) * generator.normal(size=(n, k))
    return truth, truth[:, None] + noise


def test_ceiling_of_two_repeats_by_hand():
    # One of three pairs is swapped: t = 1/3, sin(pi/6) = 1/2, and two such repeats average to 2/3.
    ceiling = noise_ceiling([[0.1, 0.1], [0.2, 0.3], [0.3, 0.2]])
    assert ceiling.t == pytest.approx(1 / 3)
    assert ceiling.rho_1 == pytest.approx(1 / 2)
    assert ceiling.rho_k == pytest.approx(2 / 3)
    assert ceiling.s_max == pytest.approx(math.degrees(math.asin(math.sqrt(2 / 3))) / 90)


def test_ceiling_of_three_repeats_averages_tau_over_their_pairs():
    # Repeats b and c are equal and swap one of three pairs of a: t = (1/3 + 1/3 + 1) / 3 = 5/9, an angle of 50 degrees.
    ceiling = noise_ceiling([[1, 1, 1], [2, 3, 3], [3, 2, 2]])
    reliability = math.sin(math.radians(50))
    assert ceiling.t == pytest.approx(5 / 9)
    assert ceiling.rho_k == pytest.approx(3 * reliability / (1 + 2 * reliability))


def test_ceiling_is_one_without_noise_and_zero_where_repeats_disagree():
    assert noise_ceiling([[1, 10], [2, 20], [3, 30]]).s_max == 1
    opposed = noise_ceiling([[1, 3], [2, 2], [3, 1]])
    assert (opposed.t, opposed.rho_1, opposed.rho_k, opposed.s_max) == (-1, 0, 0, 0)


def test_ceiling_is_not_defined_where_a_repeat_is_constant():
    assert math.isnan(noise_ceiling([[1, 5], [2, 5], [3, 5]]).s_max)


@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("reliability", [0.3, 0.6, 0.9])
def test_ceiling_finds_what_the_truth_shows_against_the_noisy_mean(reliability, k):
    estimated, shown = [], []
    for seed in range(10):
        truth, finals = simulate(seed, reliability, n=1000, k=k)
        estimated.append(noise_ceiling(finals).s_max)
        shown.append(kendalltau(truth, finals.mean(axis=1)).statistic)
    reliability_of_mean = reliability / (reliability + (1 - reliability) / k)
    expected = 2 / math.pi * math.asin(math.sqrt(reliability_of_mean))
    assert np.mean(shown) == pytest.approx(expected, abs=0.015)
    assert np.mean(estimated) == pytest.approx(expected, abs=0.015)


@pytest.mark.parametrize(
    ("finals", "message"),
    [
        ([[1], [2]], r"at least 2 combinations \(rows\) x 2 repeats \(columns\); got \(2, 1\)"),
        ([[1, 2]], r"got \(1, 2\)"),
        ([1, 2, 3], r"got \(3,\)"),
        ([[1, 2], [math.inf, 3]], "finite; got 1 values that are not"),
        ([[1, 2], [math.nan, 3]], "finite; got 1 values that are not"),
    ],
)
def test_ceiling_refuses_what_has_no_answer(finals, message):
    with pytest.raises(ValueError, match=message):
        noise_ceiling(finals)
