"""Ranks of criteria: by hand, and against what other retrainings show."""

import numpy as np
import pytest

from oraclecheck.analysis.statistics.balance import mean_of_repeats
from oraclecheck.analysis.statistics.correlation import agreement
from oraclecheck.analysis.statistics.ranking import mean_draws, noisy_draws, rank_intervals, ranks
from oraclecheck.analysis.statistics.retraining_noise import agreement_covariance, agreement_error, difference_error


def test_ranks_begin_with_the_greatest_agreement():
    assert ranks(np.array([0.1, 0.5, 0.1, -0.2])).tolist() == [2, 1, 2, 4]
    with_gap = ranks(np.array([0.1, np.nan, 0.3]))
    assert with_gap[[0, 2]].tolist() == [2, 1] and np.isnan(with_gap[1])


def test_rank_interval_leaves_out_a_fortieth_at_either_end():
    draws = np.array([[2.0, 1.0]] * 97 + [[1.0, 2.0]] * 3)
    assert [ends.tolist() for ends in rank_intervals(draws)] == [[1, 1], [2, 2]]
    draws = np.array([[2.0, 1.0]] * 98 + [[1.0, 2.0]] * 2)
    assert [ends.tolist() for ends in rank_intervals(draws)] == [[1, 2], [1, 2]]
    assert np.isnan(rank_intervals(np.full((5, 2), np.nan))).all()


def test_covariance_over_retrainings_is_theirs():
    generator = np.random.default_rng(2)
    truth = generator.normal(size=60)
    scores = [truth + generator.normal(size=60) * width for width in (0.5, 0.5, 1.5)]
    found, covariances = [], []
    for _ in range(100):
        finals = truth[:, None] + 0.6 * generator.normal(size=(60, 3))
        means = mean_of_repeats(finals)
        found.append([agreement(score, means, higher_is_better=False) for score in scores])
        covariances.append(agreement_covariance(scores, finals))
    weights = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [1.0, -1.0, 0.0], [1.0, 0.0, -1.0]])
    spread = (np.array(found) @ weights.T).std(axis=0, ddof=1)
    assert np.sqrt(np.diag(weights @ np.mean(covariances, axis=0) @ weights.T)) == pytest.approx(spread, rel=0.25)
    errors = [agreement_error(score, finals)[0] for score in scores]
    assert np.sqrt(np.diag(covariances[-1])) == pytest.approx(errors, rel=0.15)
    of_difference = np.sqrt(weights[2] @ covariances[-1] @ weights[2])
    assert of_difference == pytest.approx(difference_error(scores[0], scores[1], finals)[0], rel=0.15)
    assert np.isnan(agreement_covariance(scores, finals[:, :1])).all()


def test_draws_are_centred_and_as_wide_as_the_intervals():
    covariance = np.array([[0.04, 0.01], [0.01, 0.09]])
    draws = noisy_draws(np.array([0.2, -0.1]), covariance, 20_000, seed=0)
    assert draws.mean(axis=0) == pytest.approx([0.2, -0.1], abs=0.01)
    assert np.cov(draws.T) == pytest.approx(covariance, rel=0.1)
    values = np.array([[0.1, 0.5], [0.3, 0.4], [0.2, 0.0], [0.6, 0.2]])
    drawn = mean_draws(values, 100_000, seed=0)
    reach = 3.182446 * values.std(axis=0, ddof=1) / 2  # t(0.975, 3)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    assert low == pytest.approx(values.mean(axis=0) - reach, abs=0.01)
    assert high == pytest.approx(values.mean(axis=0) + reach, abs=0.01)
