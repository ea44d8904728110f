"""Agreement, validity, anomaly ratio and counterexamples against hand arithmetic, plain loops and scipy."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau, pearsonr, spearmanr

from oraclecheck.analysis.statistics import pairs as pairs_of
from oraclecheck.analysis.statistics.choice import anomaly_ratio
from oraclecheck.analysis.statistics.correlation import (
    agreement,
    agreement_bounds,
    is_valid,
    kendall,
    kendall_a,
    linear_correlations,
)
from oraclecheck.analysis.statistics.pairs import counterexamples, tie_share

# Few distinct values, so that ties are the rule, and diverged runs among them.
VALUES = st.sampled_from([-math.inf, 0.0, 0.25, 0.5, 1.0, math.inf])
COMBINATIONS = st.lists(st.tuples(VALUES, VALUES), min_size=2, max_size=12)


def brute_force_pairs(score: list[float], final: list[float], higher_is_better: bool) -> tuple[int, int, int, int]:
    """(counterexamples, examples, tied in score, tied in final) from a double loop over the definition."""
    against = agreeing = tied_score = tied_final = 0
    for i in range(len(score)):
        for j in range(i + 1, len(score)):
            tied_score += score[i] == score[j]
            tied_final += final[i] == final[j]
            if score[i] == score[j] or final[i] == final[j]:
                continue
            low, high = (i, j) if score[i] < score[j] else (j, i)
            better = final[low] > final[high] if higher_is_better else final[low] < final[high]
            agreeing += better
            against += not better
    return against, agreeing, tied_score, tied_final


@given(COMBINATIONS, st.booleans())
def test_counterexamples_match_a_loop_over_all_pairs(combinations, higher_is_better):
    score, final = map(list, zip(*combinations, strict=True))
    against, _, tied_score, tied_final = brute_force_pairs(score, final, higher_is_better)
    counts = counterexamples(score, final, higher_is_better=higher_is_better)
    pairs = len(score) * (len(score) - 1) // 2
    assert (counts.counterexamples, counts.tied_score, counts.tied_final) == (against, tied_score, tied_final)
    assert counts.pairs == pairs


@given(COMBINATIONS, st.booleans())
def test_agreement_is_tau_b_by_its_formula(combinations, higher_is_better):
    score, final = map(list, zip(*combinations, strict=True))
    against, agreeing, tied_score, tied_final = brute_force_pairs(score, final, higher_is_better)
    pairs = len(score) * (len(score) - 1) // 2
    s = agreement(score, final, higher_is_better=higher_is_better)
    if tied_score == pairs or tied_final == pairs:
        assert math.isnan(s)
    else:
        expected = (agreeing - against) / math.sqrt((pairs - tied_score) * (pairs - tied_final))
        assert s == pytest.approx(expected, abs=1e-12)


@given(COMBINATIONS, st.booleans())
def test_anomaly_ratio_matches_a_loop_over_the_least_scores(combinations, higher_is_better):
    score, final = map(list, zip(*combinations, strict=True))
    shares = []
    for i in range(len(score)):
        if score[i] == min(score):
            better = [value > final[i] if higher_is_better else value < final[i] for value in final]
            shares.append(sum(better) / len(score))
    expected = sum(shares) / len(shares)
    assert anomaly_ratio(score, final, higher_is_better=higher_is_better) == pytest.approx(expected, abs=1e-12)


def test_kendall_returns_scipys_tau_and_p():
    generator = np.random.default_rng(0)
    score, final = generator.normal(size=60), generator.integers(0, 8, size=60)
    expected = kendalltau(score, final)
    assert kendall(score, final) == (expected.statistic, expected.pvalue)


def test_agreement_is_positive_where_the_least_score_ends_best():
    assert agreement([1, 2, 3], [0.9, 0.8, 0.7], higher_is_better=True) == 1
    assert agreement([1, 2, 3], [0.1, 0.2, 0.3], higher_is_better=False) == 1
    assert agreement([1, 2, 3], [0.7, 0.8, 0.9], higher_is_better=True) == -1


def test_agreement_counts_concordant_minus_discordant_pairs():
    # Pairs (1,2), (1,3), (2,3) of the scores; only the second and third final values are out of order.
    assert agreement([1, 2, 3], [0.9, 0.7, 0.8], higher_is_better=True) == pytest.approx(1 / 3)


@pytest.mark.parametrize(("score", "final"), [([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [5, 5, 5])])
def test_kendall_of_a_constant_is_not_defined_and_does_not_warn(score, final):
    assert all(math.isnan(value) for value in kendall(score, final))
    assert not is_valid(*kendall(score, final))


def test_diverged_runs_rank_worst():
    score = [1.0, 2.0, 3.0, math.inf]
    assert agreement(score, [0.9, 0.8, 0.7, -math.inf], higher_is_better=True) == 1
    assert agreement(score, [0.1, 0.2, 0.3, math.inf], higher_is_better=False) == 1
    assert anomaly_ratio([1, 2, 3], [-math.inf, 0.1, -math.inf], higher_is_better=True) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("s", "p", "valid"),
    [(0.21, 0.049, True), (0.2, 0.01, False), (0.2000001, 0.01, True), (0.5, 0.05, False), (-0.9, 1e-9, False)],
)
def test_definition_3_1_is_strict_and_unrounded(s, p, valid):
    assert is_valid(s, p) is valid


def test_definition_3_1_refuses_one_fifth_that_rounding_lifts():
    # 51 combinations have 1275 pairs; 255 more concordant than discordant ones are exactly 0.2.
    s = 255 / math.sqrt(1275) / math.sqrt(1275)
    assert s > 0.2
    assert not is_valid(s, 0.01)


def test_anomaly_ratio_is_strict_and_counts_the_choice_in_the_denominator():
    # The least score ends with 0.8: one of four is better, one is equal.
    assert anomaly_ratio([1, 2, 3, 4], [0.8, 0.9, 0.8, 0.1], higher_is_better=True) == 0.25
    assert anomaly_ratio([1, 2, 3, 4], [0.8, 0.9, 0.8, 0.1], higher_is_better=False) == 0.25
    assert anomaly_ratio([7], [0.5], higher_is_better=True) == 0


def test_anomaly_ratio_averages_over_tied_choices():
    # The two choices end with 0.8 (one of four better) and 0.1 (three of four better).
    assert anomaly_ratio([1, 2, 3, 1], [0.8, 0.9, 0.5, 0.1], higher_is_better=True) == 0.5


@pytest.mark.parametrize("block", [1, 3, 100])
def test_counterexamples_do_not_depend_on_the_block_size(monkeypatch, block):
    monkeypatch.setattr(pairs_of, "_BLOCK_PAIRS", block)
    counts = counterexamples([5, 2, 2, 1, 3], [0.95, 0.8, 0.7, 0.9, 0.9], higher_is_better=True)
    # By hand: the one with the lower score ends worse in 2-1, 3-1, 4-1, 5-1, 2-5 and 3-5.
    assert (counts.counterexamples, counts.tied_score, counts.tied_final, counts.pairs) == (6, 1, 1, 10)


def test_counterexamples_of_ten_thousand_combinations_need_little_memory():
    score, final = np.random.default_rng(1).normal(size=(2, 10_000))
    tracemalloc.start()
    counts = counterexamples(score, final, higher_is_better=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50 * 2**20  # all pairs at once: 100 MiB for every comparison
    # Without ties tau = 2 (share of counterexamples) - 1 against a metric that is better when higher.
    assert counts.counterexamples / counts.pairs == pytest.approx(
        (1 + kendalltau(score, final).statistic) / 2, abs=1e-9
    )


@given(st.lists(VALUES, min_size=2, max_size=12))
def test_tie_share_matches_a_loop_over_all_pairs(values):
    tied = [values[i] == values[j] for i in range(len(values)) for j in range(i)]
    assert tie_share(values) == sum(tied) / len(tied)


@pytest.mark.parametrize(
    ("score", "final", "message"),
    [
        ([1, 2], [1, 2, 3], "one value per combination each; got 2 and 3"),
        ([1, math.nan], [1, 2], "score must not contain NaN; got 1 NaN among 2 values"),
        ([1, 2], [math.nan, math.nan], "final must not contain NaN; got 2 NaN among 2 values"),
        ([[1, 2]], [1, 2], r"score must be one-dimensional; got shape \(1, 2\)"),
        ([1], [1], "score must hold at least 2 combinations; got 1"),
    ],
)
def test_pair_statistics_refuse_what_has_no_answer(score, final, message):
    with pytest.raises(ValueError, match=message):
        agreement(score, final, higher_is_better=True)
    with pytest.raises(ValueError, match=message):
        counterexamples(score, final, higher_is_better=True)


def test_anomaly_ratio_and_tie_share_refuse_too_few_values():
    with pytest.raises(ValueError, match="score must hold at least 1 combination; got 0"):
        anomaly_ratio([], [], higher_is_better=True)
    with pytest.raises(ValueError, match="values must hold at least 2 combinations; got 1"):
        tie_share([1])


def test_tau_a_counts_tied_pairs():
    # Pairs of (1, 1), (2, 1), (3, 2): one tied, two concordant: 2/3; tau-b is 2 / sqrt(3 * 2).
    assert kendall_a([1, 2, 3], [1, 1, 2]) == pytest.approx(2 / 3)
    assert kendall([1, 2, 3], [1, 1, 2])[0] == pytest.approx(2 / math.sqrt(6))
    assert kendall_a([1, 1], [1, 2]) == 0


def test_spearman_and_pearson_are_scipys_and_rank_infinities():
    score, final = np.random.default_rng(0).normal(size=(2, 20))
    assert linear_correlations(score, final) == pytest.approx(
        (spearmanr(score, final).statistic, pearsonr(score, final).statistic)
    )
    infinite = np.where(final == final.max(), math.inf, final)
    assert linear_correlations(score, infinite)[0] == pytest.approx(spearmanr(score, final).statistic)
    assert math.isnan(linear_correlations(score, infinite)[1])
    assert all(map(math.isnan, linear_correlations(score, np.ones(20))))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=3, max_size=5),
    st.lists(st.tuples(st.integers(-1, 4), st.integers(-1, 4)), min_size=1, max_size=2),
)
def test_agreement_bounds_hold_whatever_the_missing_ones_turn_out_to_be(known, missing):
    score, final = np.array(known, dtype=float).T
    low, high = agreement_bounds(score, final, len(missing), higher_is_better=False)
    s = agreement(*np.array(known + missing, dtype=float).T, higher_is_better=False)
    assert math.isnan(s) or low - 1e-12 <= s <= high + 1e-12


def test_agreement_bounds_are_reached():
    score, final = [1.0, 2.0, 3.0, 3.0], [1.0, 3.0, 2.0, 2.0]
    low, high = agreement_bounds(score, final, 2, higher_is_better=False)
    best, worst = [0.0, 9.0], [9.0, 0.0]
    assert agreement([*score, 0.0, 9.0], [*final, *best], higher_is_better=False) == pytest.approx(high)
    assert agreement([*score, 0.0, 9.0], [*final, *worst], higher_is_better=False) == pytest.approx(low)
