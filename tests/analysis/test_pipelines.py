"""Pipelines over ratios, and rounds, against scipy and numbers worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau, ttest_ind, ttest_rel

from oraclecheck.analysis.pipelines import pipelines_table, row_name
from oraclecheck.analysis.rounds import rounds_table

HISTORY = [{"lr": 0.1, "test_accuracy": 0.5}, {"lr": 0.1, "test_accuracy": 0.7}, {"lr": 0.01, "test_accuracy": 0.9}]


def runs(study: str, accuracies: list[float], ratio: float = 0.5, seed: int = 0, **others) -> list[dict]:
    """A study's repeats."""
    common = {"pipeline": "one_shot", "pruning_ratio": {"conv1": ratio}, "pretrain_seed": seed, "status": "ok"}
    sizes = {"dense_macs": 400, "pruned_macs": 100, "history": HISTORY}
    row = {"study": study, **common, **sizes, **others}
    return [{**row, "repeat": repeat, "final_test_accuracy": value} for repeat, value in enumerate(accuracies)]


def table(*studies: list[dict], **asked) -> pd.DataFrame:
    return pipelines_table(pd.DataFrame([run for study in studies for run in study]), **asked)


def test_row_of_one_study_has_its_repeats_as_the_sample():
    a, b = [0.9, 0.92, 0.91], [0.88, 0.91, 0.885]
    found = table(runs("a-00000000", a), runs("b-11111111", b, pipeline="scratch")).set_index("row")
    assert found.loc["a", "mean"] == pytest.approx(np.mean(a)) and found.loc["a", "sd"] == pytest.approx(
        np.std(a, ddof=1)
    )
    assert found.loc["a", "sample"] == "repeats" and found.loc["a", "n"] == 3
    assert found.loc["a", "baseline"] == "b" and np.isnan(found.loc["b", "difference"])
    test = ttest_rel(a, b)
    assert found.loc["a", "p"] == pytest.approx(test.pvalue)
    interval = test.confidence_interval()
    assert (found.loc["a", "low"], found.loc["a", "high"]) == pytest.approx((interval.low, interval.high))
    assert found.loc["a", "trainability"] == pytest.approx(0.6) and found.loc["a", "stage"] == 2
    assert found.loc["a", "schedule"] == "0: 0.1, 2: 0.01; 3" and found.loc["a", "speedup"] == 4


def test_dense_networks_are_the_sample_where_there_are_several():
    """Repeats are averaged first: they say nothing of how far networks differ."""
    a = [runs(f"a-0000000{seed}", [value, value + 0.02], seed=seed) for seed, value in enumerate([0.8, 0.85, 0.9])]
    b = [runs(f"b-1111111{seed}", [value], seed=seed) for seed, value in enumerate([0.7, 0.82])]
    found = table(*a, *b, baseline="b").set_index("row")
    assert found.loc["a", "sample"] == "networks" and found.loc["a", "n"] == 3
    assert found.loc["a", "mean"] == pytest.approx(0.86) and found.loc["a", "sd"] == pytest.approx(0.05)
    assert found.loc["a", "p"] == pytest.approx(ttest_ind([0.81, 0.86, 0.91], [0.7, 0.82], equal_var=False).pvalue)


def test_differences_are_one_family_over_rows_and_ratios():
    rng = np.random.default_rng(0)
    rows = [
        runs(f"{name}-{i}{ratio:g}".replace(".", ""), list(rng.normal(mean, 0.01, 4)), ratio=ratio)
        for ratio in (0.5, 0.9)
        for i, (name, mean) in enumerate([("a", 0.9), ("b", 0.85), ("c", 0.89)])
    ]
    found = table(*rows, baseline="a")
    p = found["p"].dropna()
    assert len(p) == 4 and found["p_holm"].min() == pytest.approx(min(1, 4 * p.min()))


def test_run_that_diverged_has_learnt_nothing_and_one_that_failed_does_not_count():
    some = runs("a-0", [0.9, 0.9, 0.1])
    some[1]["status"], some[2]["status"] = "diverged", "failed"
    found = table(some, runs("b-1", [0.8])).set_index("row")
    assert found.loc["a", "mean"] == pytest.approx(0.45) and found.loc["a", "n"] == 2


def test_baseline_must_be_a_row():
    with pytest.raises(ValueError, match="--pipelines must name a row, one of a, b; got c"):
        table(runs("a-0", [0.9]), runs("b-1", [0.8]), baseline="c")


def test_row_is_called_as_its_study_but_for_the_ratio():
    assert row_name("twin4-P8F8_1e-3-0a1b2c3d", {"conv1": 0.5}) == "twin4-P8F8_1e-3"
    assert (
        row_name("lenet5_mini-mnist-conv1_0.5-during_8-0a1b2c3d", {"conv1": 0.5}) == "lenet5_mini-mnist-conv1-during_8"
    )


def test_tau_of_each_round_is_that_of_its_own_pruned_train_loss():
    rng = np.random.default_rng(1)
    n = 12
    losses, finals = rng.normal(size=(3, n)), rng.normal(size=n)
    rows = [
        {
            "study": "s",
            "status": "ok",
            "pipeline": "iterative",
            "picked_by": None,
            "combo": i,
            "repeat": repeat,
            "removed": {"a": [i, n + i]},
            "rounds": [{"pruned_train_loss": losses[r, i] + sign * 0.001} for r in range(3)],
            "final_test_loss": finals[i] + sign,
            "final_test_accuracy": -finals[i],
        }
        for i in range(n)
        for repeat, sign in enumerate((-1, 1))
    ]
    found = rounds_table(pd.DataFrame(rows))
    assert list(found["round"]) == [1, 2, 3] and set(found["n"]) == {n} and set(found["k"]) == {2}
    for r in range(3):
        tau, p = kendalltau(losses[r], finals)
        assert found.loc[r, "tau_loss"] == pytest.approx(tau) and found.loc[r, "p_loss"] == pytest.approx(p)
        assert found.loc[r, "tau_accuracy"] == pytest.approx(-tau)
