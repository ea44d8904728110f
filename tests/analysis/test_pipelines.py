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
    told = {"setting_hash": study.rpartition("-")[0], "dense_hash": f"{seed}"}
    row = {"study": study, **common, **sizes, **told, **others}
    return [
        {**row, "repeat": repeat, "seed": repeat, "final_test_accuracy": value}
        for repeat, value in enumerate(accuracies)
    ]


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
    assert found.loc["a", "p"] == pytest.approx(test.pvalue) and found.loc["a", "paired"]
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


def test_dense_networks_are_paired_by_what_they_are_and_not_by_how_their_studies_are_called():
    """b is a and a hundredth and a bit; its studies come in another order."""
    values = {0: 0.80, 1: 0.85, 2: 0.93}
    ahead = {0: 0.0100, 1: 0.0075, 2: 0.0125}
    a = [runs(f"a-{name}", [values[seed]], seed=seed) for name, seed in zip("012", (0, 1, 2), strict=True)]
    b = [
        runs(f"b-{name}", [values[seed] + ahead[seed]], seed=seed) for name, seed in zip("012", (2, 0, 1), strict=True)
    ]
    found = table(*a, *b, baseline="a").set_index("row").loc["b"]
    test = ttest_rel([values[seed] + ahead[seed] for seed in values], list(values.values()))
    assert found["paired"] and found["p"] == pytest.approx(test.pvalue) and found["difference"] == pytest.approx(0.01)
    others = [runs(f"c-{seed}", [values[seed - 5] + ahead[seed - 5]], seed=seed) for seed in (5, 6, 7)]
    found = table(*a, *others, baseline="a").set_index("row").loc["c"]
    both = [[value + ahead[seed] for seed, value in values.items()], list(values.values())]
    assert not found["paired"] and found["p"] == pytest.approx(ttest_ind(*both, equal_var=False).pvalue)


def test_what_shares_nothing_is_not_paired():
    """Networks from scratch name a dense network and have nothing of it; repeats of other seeds are others."""
    a, b = [0.8, 0.85, 0.9], [0.81, 0.87, 0.92]
    scratch = [runs(f"a-{i}", [value], seed=i, pipeline="scratch") for i, value in enumerate(a)]
    pruned = [runs(f"b-{i}", [value], seed=i) for i, value in enumerate(b)]
    welch = ttest_ind(b, a, equal_var=False).pvalue
    assert table(*scratch, *pruned).set_index("row").loc["b", "p"] == pytest.approx(welch)
    found = table(runs("a-0", a), runs("b-0", b, seed=7), baseline="a").set_index("row")
    assert found.loc["b", "p"] == pytest.approx(ttest_rel(b, a).pvalue)
    other = [{**run, "seed": run["seed"] + 100} for run in runs("b-0", b)]
    assert table(runs("a-0", a), other, baseline="a").set_index("row").loc["b", "p"] == pytest.approx(welch)


@pytest.mark.parametrize("others", [{"setting_hash": "another"}, {"dense_hash": "0", "pretrain_seed": 0}])
def test_studies_of_one_name_that_are_no_row_are_refused(others):
    one = runs("a-0", [0.9])
    two = [{**run, **others} for run in runs("a-1", [0.8], seed=1)]
    with pytest.raises(ValueError, match="studies of a row that differ in their dense network alone; those called a"):
        table(one, two)


def test_combinations_of_a_repeat_are_averaged():
    """Two combinations and two repeats of each: a sample of two."""
    some = [
        {**run, "combo": combo, "seed": 10 * combo + run["repeat"]}
        for combo, accuracies in enumerate(([0.9, 0.8], [0.7, 0.9]))
        for run in runs("a-0", accuracies)
    ]
    found = table(some, runs("b-0", [0.5, 0.6]), baseline="b").set_index("row").loc["a"]
    assert found["n"] == 2 and found["mean"] == pytest.approx(0.825) and found["sd"] == pytest.approx(0.05 / 2**0.5)
    assert not found["paired"]  # theirs are other runs


def test_row_is_described_by_what_did_not_diverge():
    bad = runs("a-0", [0.1, 0.9])
    bad[0] |= {"status": "diverged", "history": [{"lr": 0.1, "test_accuracy": 0.1}]}
    found = table(bad, runs("b-0", [0.8])).set_index("row").loc["a"]
    assert found["schedule"] == "0: 0.1, 2: 0.01; 3" and found["trainability"] == pytest.approx(0.6)
    assert found["mean"] == pytest.approx(0.45)


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
    both = {"conv1": 0.2, "conv2": 0.25}
    assert row_name("m-d-conv1_0.2-conv2_0.25-0a1b2c3d", both) == "m-d-conv1-conv2"


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
