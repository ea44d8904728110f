"""Criteria side by side: against scipy, brute force and simulated retrainings."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hand_made import study_folder
from scipy.stats import kendalltau, ttest_1samp

from oraclecheck.analysis.chance import with_random
from oraclecheck.analysis.criteria import differences, judge, mean_differences, mean_ranks
from oraclecheck.analysis.criterion import ORACLE, named
from oraclecheck.analysis.networks import across_networks
from oraclecheck.analysis.statistics.balance import mean_of_repeats
from oraclecheck.analysis.statistics.correlation import agreement
from oraclecheck.analysis.statistics.permutation import difference_p, relabellings
from oraclecheck.analysis.statistics.retraining_noise import difference_error
from oraclecheck.records.table import load_runs

PAIRS = [{"a": pair} for pair in combinations(range(6), 2)]
"""A census of 15 combinations."""


def test_difference_p_is_that_of_counting():
    generator = np.random.default_rng(0)
    final, one = generator.normal(size=(2, len(PAIRS)))
    other = np.round(one + generator.normal(size=len(PAIRS)))  # ties
    targets = relabellings(PAIRS, 199, seed=1)

    def difference(order):
        return abs(kendalltau(one[order], final).statistic - kendalltau(other[order], final).statistic)

    observed = difference(np.arange(len(PAIRS)))
    expected = (1 + sum(difference(order) >= observed - 1e-12 for order in targets)) / 200
    assert difference_p(one, other, final, targets) == expected
    assert difference_p(one, one, final, targets) == 1
    assert np.isnan(difference_p(one, np.ones(len(PAIRS)), final, targets))


@pytest.mark.parametrize("noise", [0.3, 1.0])
def test_difference_error_is_the_spread_over_retrainings(noise):
    generator = np.random.default_rng(2)
    truth = generator.normal(size=60)
    one, other = (truth + generator.normal(size=60) * width for width in (0.5, 1.5))
    found, errors = [], []
    for _ in range(300):
        finals = truth[:, None] + noise * generator.normal(size=(60, 3))
        means = mean_of_repeats(finals)
        found.append(np.subtract(*(agreement(score, means, higher_is_better=False) for score in (one, other))))
        errors.append(difference_error(one, other, finals)[0])
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(found), rel=0.2)
    assert difference_error(one, one, finals)[0] == 0


def test_pairs_of_criteria_are_compared_over_the_same_combinations(tmp_path):
    study_folder(tmp_path, "a-11111111")
    runs = load_runs(tmp_path)
    runs["score_up"] = runs["combo"].astype(float)
    runs["score_down"] = -runs["combo"].astype(float)
    criteria = [ORACLE, named("up"), named("down")]
    table, pairs = judge(runs, criteria), differences(runs, criteria)
    assert table["criterion"].value_counts().to_dict() == {"oracle": 2, "up": 2, "down": 2}
    s = table.set_index(["metric", "criterion"])["agreement"]
    for _, row in pairs.iterrows():
        a, b = (s[row["metric"], row[f"criterion_{side}"]] for side in "ab")
        assert (row["agreement_a"], row["agreement_b"], row["difference"]) == pytest.approx((a, b, a - b))
    assert len(pairs) == 6 and s["accuracy", "up"] == -s["accuracy", "down"]


def test_mean_difference_has_scipys_interval_over_networks(tmp_path):
    shared = {"setting_hash": "5" * 64, "final": "last", "metric": "loss", "criterion_a": "l1", "criterion_b": "l2"}
    values = [0.1, 0.3, 0.2, 0.05]
    pairs = pd.DataFrame([{**shared, "dense_hash": f"h{i}", "difference": each} for i, each in enumerate(values)])
    (row,) = mean_differences(pairs).to_dict("records")
    test = ttest_1samp(values, 0)
    low, high = test.confidence_interval(0.95)
    assert (row["difference"], row["difference_low"], row["difference_high"]) == pytest.approx((0.1625, low, high))
    assert row["p"] == row["p_holm"] == pytest.approx(test.pvalue) and row["networks"] == 4
    assert np.isnan(mean_differences(pairs.head(2))["difference_low"].iloc[0])
    assert mean_differences(pairs.assign(dense_hash="h")).empty


def test_ranks_of_criteria_are_those_of_their_agreements(tmp_path):
    for number in range(3):
        study_folder(tmp_path, f"a-1111111{number}", n=12, dense_hash=f"{number}" * 64, setting_hash="5" * 64)
    runs = load_runs(tmp_path)
    runs["score_up"] = runs["combo"].astype(float)
    runs["score_down"] = -runs["combo"].astype(float)
    generator = np.random.default_rng(0)
    runs["score_noisy"] = runs["combo"].map(dict(enumerate(generator.normal(size=12)))).astype(float)
    table = judge(runs, [named("noisy"), named("down"), named("up")], draws=500)
    for _, rows in table.groupby(["study", "metric"]):
        by_s = rows.sort_values("agreement", ascending=False)
        assert list(by_s["rank"]) == [1, 2, 3] == list(by_s["rank_low"]) == list(by_s["rank_high"])
        assert list(by_s["criterion"]) == ["up", "noisy", "down"]
    spread = table.assign(agreement=table["agreement"] + np.tile([-0.3, 0.0, 0.31], len(table) // 3))
    means = mean_ranks(spread, across_networks(spread))
    up = means[means["criterion"] == "up"].iloc[0]
    assert (up["rank"], up["rank_low"]) == (1, 1)
    two = spread[spread["study"] != "a-11111112"]
    assert mean_ranks(two, across_networks(two))["rank_low"].isna().all()
    assert mean_ranks(two, across_networks(two))["rank"].notna().all()


def test_random_criterion_is_not_drawn_where_single_weights_are_removed():
    choices = [{"method": "global", "noise": noise, "seed": None, "mask": None} for noise in (0.0, 0.1)]
    runs = pd.DataFrame({"removed": choices, "combo": [0, 1]})
    assert with_random(runs)[1] is None
