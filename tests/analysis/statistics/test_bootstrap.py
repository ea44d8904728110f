"""Resampled tau-b, against scipy on the very same resamples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau

from oraclecheck.analysis.statistics import bootstrap
from oraclecheck.analysis.statistics.bootstrap import kendall_draws, resamples


def by_scipy(x: np.ndarray, y: np.ndarray, draws: int, seed: int) -> list[float]:
    picks = np.concatenate(list(resamples(len(x), draws, seed)))
    return [kendalltau(x[pick], y[pick]).statistic for pick in picks]


@pytest.mark.parametrize("digits", [0, 1, 8])
@pytest.mark.parametrize("n", [2, 5, 40])
def test_resampled_tau_is_scipys_of_the_resample(n, digits):
    x, y = np.random.default_rng(n).normal(size=(2, n)).round(digits)
    found = kendall_draws([(x, y), (y, x)], 60, seed=3)
    np.testing.assert_allclose(found[:, 0], by_scipy(x, y, 60, 3), atol=1e-12)
    np.testing.assert_allclose(found[:, 1], found[:, 0], atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=9))
def test_resampled_tau_is_scipys_whatever_ties(points):
    x, y = np.array(points, dtype=float).T
    np.testing.assert_allclose(kendall_draws([(x, y)], 20, seed=0)[:, 0], by_scipy(x, y, 20, 0), atol=1e-12)


def test_infinite_values_rank_last_and_missing_ones_take_no_part():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 30))
    y[:3] = -np.inf
    ranked = np.where(np.isinf(y), -1e9, y)
    np.testing.assert_array_equal(kendall_draws([(x, y)], 50, 1), kendall_draws([(x, ranked)], 50, 1))
    # Every resample that leaves the missing one out has the tau that scipy gives.
    y[7] = np.nan
    picks = np.concatenate(list(resamples(30, 50, 1)))
    kept = [pick[pick != 7] for pick in picks]
    expected = [kendalltau(x[pick], ranked[pick]).statistic for pick in kept]
    np.testing.assert_allclose(kendall_draws([(x, y)], 50, 1)[:, 0], expected, atol=1e-12)


def test_a_study_too_large_to_hold_its_pairs_gives_the_same(monkeypatch):
    x, y = np.random.default_rng(0).normal(size=(2, 50))
    whole = kendall_draws([(x, y)], 100, 0)
    monkeypatch.setattr(bootstrap, "_BLOCK_COLUMNS", 7)
    monkeypatch.setattr(bootstrap, "_BLOCK_DRAWS", 1000)
    np.testing.assert_array_equal(kendall_draws([(x, y)], 100, 0), whole)


def test_the_seed_decides_the_resamples():
    x, y = np.random.default_rng(0).normal(size=(2, 20))
    first, again, other = (kendall_draws([(x, y)], 1500, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert len(first) == 1500
