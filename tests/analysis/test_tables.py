"""Tables from records that are small enough to check by hand."""

import io
import math
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy.stats import kendalltau

from oraclecheck.analysis.metrics import METRIC_COLUMNS
from oraclecheck.analysis.tables import combinations_table, correlate
from oraclecheck.records.table import load_runs
from oraclecheck.report.layouts import study_layout
from oraclecheck.report.typesetting import terminal

ACCURACY, LOSS = "final_test_accuracy", "final_test_loss"


def record(combo: int | None, repeat: int = 0, score: float = 1.0, accuracy: float = 0.9, **columns: Any) -> dict:
    """One run with status ok; the other metrics follow from the accuracy unless given."""
    row = {"study": "demo-1a2b3c4d", "study_hash": "1a2b3c4d", "order": "sampled", "space_size": 10**30}
    row |= {"combo": combo, "removed": {"conv1": [combo]}, "picked_by": None, "repeat": repeat, "status": "ok"}
    row |= {"pruned_train_loss": score, "final_test_accuracy": accuracy, "final_test_loss": 1 - accuracy}
    return row | {"best_test_accuracy": accuracy + 0.01, "best_test_loss": 0.99 - accuracy} | columns


def failed(combo: int, repeat: int = 0) -> dict:
    nothing = dict.fromkeys(["pruned_train_loss", *METRIC_COLUMNS])
    return record(combo, repeat, status="failed", **nothing)


def diverged(combo: int, repeat: int = 0, **columns: Any) -> dict:
    return record(combo, repeat, status="diverged", **{LOSS: math.nan, **columns})


def random_runs(n: int, k: int, seed: int = 0) -> list[dict]:
    generator = np.random.default_rng(seed)
    truth = generator.normal(size=n)
    rows = []
    for combo in range(n):
        for repeat in range(k):
            metrics = {column: truth[combo] + generator.normal() for column in METRIC_COLUMNS}
            rows.append(record(combo, repeat, score=truth[combo] ** 2, **metrics))
    return rows


def row_of(runs: list[dict], column: str = ACCURACY) -> pd.Series:
    final, _, metric = column.split("_")
    table = correlate(pd.DataFrame(runs), final="last" if final == "final" else "best", metric=metric, draws=200)
    assert len(table) == 1
    return table.iloc[0]


def test_combinations_hold_the_means_of_their_repeats():
    runs = [record(1, 0, 2.0, 0.8), record(0, 0, 3.0, 0.4), record(1, 1, 2.0, 0.9), record(0, 1, 3.0, 0.6)]
    table = combinations_table(pd.DataFrame(runs))
    assert table["combo"].tolist() == [0, 1]
    assert table["score"].tolist() == [3.0, 2.0]
    assert table["k"].tolist() == [2, 2]
    assert table[ACCURACY].tolist() == [0.5, 0.85]
    assert table[LOSS].tolist() == [0.5, 0.15]
    assert table["best_test_accuracy"].tolist() == [0.51, 0.86]
    assert table["removed"].tolist() == [{"conv1": [0]}, {"conv1": [1]}]
    assert table["picked_by"].tolist() == [None, None]


def test_anomaly_ratio_of_a_sample_has_wilsons_interval_by_hand():
    # 3 of 10: centre (0.3 + z^2/20) / (1 + z^2/10), half width z / (1 + z^2/10) sqrt(0.3 0.7 / 10 + z^2/400).
    z = 1.959964
    centre, half = (0.3 + z**2 / 20) / (1 + z**2 / 10), z / (1 + z**2 / 10) * math.sqrt(0.021 + z**2 / 400)
    row = row_of([record(i, score=i, accuracy=0.6 if i in (2, 5, 6) else 0.5 - i / 100) for i in range(10)])
    assert tuple(row[["anomaly_low", "anomaly_high"]]) == pytest.approx((centre - half, centre + half), abs=1e-6)


def test_combinations_hold_the_means_of_equally_many_repeats():
    runs = [record(1, 0, 2.0, 0.8), record(0, 0, 3.0, 0.5), record(1, 1, 2.0, 0.9)]
    table = combinations_table(pd.DataFrame(runs))
    assert table["k"].tolist() == [1, 1]
    assert table[ACCURACY].tolist() == [0.5, 0.8]
    np.testing.assert_array_equal(table[f"repeats_{ACCURACY}"][1], [0.8, 0.9])


def test_combinations_keep_indices_beyond_64_bits_apart():
    table = combinations_table(pd.DataFrame([record(2**70 + 1), record(2**70)]))
    assert table["combo"].tolist() == [2**70, 2**70 + 1]


def test_combinations_put_picks_last_and_apart_from_their_double():
    pick = record(None, 0, removed={"conv1": [0]}, picked_by="l1")
    table = combinations_table(pd.DataFrame([pick, record(0, 0), {**pick, "repeat": 1}]))
    assert table["picked_by"].tolist() == [None, "l1"]
    assert table["combo"].tolist() == [0, None]
    assert table["k"].tolist() == [1, 2]


def test_equal_means_of_different_repeats_are_tied():
    different, equal = [0.9706, 0.9852, 0.9845], [0.9801, 0.9801, 0.9801]
    assert np.mean(different) != np.mean(equal)  # in the last digit only
    runs = [record(combo, r, combo, a) for combo, three in enumerate((different, equal)) for r, a in enumerate(three)]
    table = combinations_table(pd.DataFrame(runs))
    assert table[ACCURACY][0] == table[ACCURACY][1]


def test_a_diverged_repeat_ranks_its_combination_worst():
    lacking = {"pruned_train_loss": math.nan}
    runs = [record(0, 0, 2.0), diverged(0, 1, **lacking), diverged(1, 0, **lacking), diverged(1, 1, **lacking)]
    table = combinations_table(pd.DataFrame(runs))
    for column, metric in METRIC_COLUMNS.items():
        assert table[column].tolist() == [-math.inf if metric == "accuracy" else math.inf] * 2
    assert table["score"].tolist() == [2.0, math.inf]
    assert table["diverged"].tolist() == [1, 2]


def test_a_failed_run_is_counted_and_no_outcome():
    table = combinations_table(pd.DataFrame([record(0, 0, 2.0, 0.8), failed(0, 1), failed(1, 0)]))
    assert table["k"].tolist() == [1, 0]
    assert table["failed"].tolist() == [1, 1]
    assert table[ACCURACY][0] == 0.8
    assert math.isnan(table[ACCURACY][1]) and math.isnan(table["score"][1])


@pytest.mark.parametrize("column", METRIC_COLUMNS)
def test_correlate_agrees_with_scipy_on_the_means(column):
    runs = random_runs(n=30, k=3)
    means = pd.DataFrame(runs).groupby("combo")[["pruned_train_loss", column]].mean()
    expected = kendalltau(means["pruned_train_loss"], means[column])
    row = row_of(runs, column)
    assert (row["tau"], row["p"]) == pytest.approx((expected.statistic, expected.pvalue))
    assert row["agreement"] == pytest.approx(expected.statistic * (-1 if "accuracy" in column else 1))
    assert row["agreement_without_diverged"] == row["agreement"]
    assert (row["n"], row["k"], row["runs"], row["note"]) == (30, 3, 90, "")


def test_correlate_gives_a_row_for_each_study_and_metric_with_hand_checked_shares():
    # The least score ends with 0.8; combination 2 beats it, 3 equals it. Scores 1 < 2 < 3 < 4.
    runs = [record(i, 0, score, a) for i, (score, a) in enumerate([(1, 0.8), (2, 0.7), (3, 0.9), (4, 0.8)])]
    other = [{**run, "study": "other", "study_hash": "ff"} for run in runs]
    table = correlate(pd.DataFrame(runs + other))
    assert table["study"].tolist() == ["demo-1a2b3c4d"] * 2 + ["other"] * 2
    assert list(zip(table["final"], table["metric"], strict=True))[:2] == [("last", "accuracy"), ("last", "loss")]
    assert table["anomaly_ratio"].tolist() == [0.25] * 4
    assert table["counterexamples"].tolist() == [3] * 4  # (0,2), (1,2), (1,3)
    assert table["counterexample_ratio"].tolist() == [0.5] * 4
    assert (table["pairs"].tolist(), table["tied_final"].tolist()) == ([6] * 4, [1] * 4)
    assert table["tie_share"].tolist() == [1 / 6] * 4
    # 2 concordant against 3 discordant pairs of accuracy, one tie: tau_b = 1/sqrt(6 * 5).
    assert table["tau"][0] == pytest.approx(1 / math.sqrt(30))
    assert table["valid"].tolist() == [False] * 4


def test_valid_is_definition_3_1():
    clear = row_of([record(i, 0, i, 0.9 - i / 100) for i in range(8)])
    assert (clear["agreement"], clear["valid"]) == (pytest.approx(1), True)
    reversed_ = row_of([record(i, 0, i, 0.9 + i / 100) for i in range(8)])
    assert (reversed_["agreement"], reversed_["valid"]) == (pytest.approx(-1), False)


def test_picks_of_a_criterion_are_in_no_statistic():
    runs = random_runs(n=10, k=2)
    picks = [record(None, r, -5.0, 9.0, removed={"conv1": [99]}, picked_by="l1") for r in range(5)]
    pd.testing.assert_frame_equal(correlate(pd.DataFrame(runs)), correlate(pd.DataFrame([*runs, *picks])))


@pytest.mark.parametrize(
    ("order", "size", "missing"),
    [
        ("lexicographic", 45, 45 * 2 - 3),
        ("lexicographic", 1000, 2000 - 3),
        ("lexicographic", 1001, 1001 * 2 - 3),
        ("lexicographic", 10**30, 2 * 10**30 - 3),
        ("sampled", 45, 1),
    ],
)
def test_missing_runs_are_counted_against_the_space_or_the_combinations_seen(order, size, missing):
    runs = [record(0, 0), record(0, 1), failed(1, 0)]
    row = row_of([{**run, "order": order, "space_size": size} for run in runs])
    assert row["missing"] == missing
    assert (row["failed"], row["diverged"], row["runs"]) == (1, 0, 3)


def test_combinations_short_of_repeats_are_counted():
    row = row_of([*random_runs(n=3, k=2), record(3, 0), failed(4, 0), failed(4, 1)])
    assert (row["n"], row["k"], row["incomplete"], row["failed"], row["missing"]) == (4, 1, 2, 2, 1)
    assert (row["left_out"], row["left_out_combinations"]) == (3, 0)
    # Of eleven combinations, ten have two repeats: nine in ten of them, so that the eleventh does not count.
    row = row_of([*random_runs(n=10, k=2), record(10, 0), failed(11, 0), failed(11, 1)])
    assert (row["n"], row["k"], row["incomplete"], row["failed"], row["missing"]) == (10, 2, 2, 2, 1)
    assert (row["left_out"], row["left_out_combinations"]) == (1, 1)


@pytest.mark.parametrize("column", METRIC_COLUMNS)
def test_diverged_combinations_rank_worst_and_the_value_without_them_stands_beside(column):
    runs = random_runs(n=12, k=2)
    runs[3] |= {"status": "diverged", LOSS: math.inf}  # repeat 1 of combination 1
    means = pd.DataFrame(runs).groupby("combo")[["pruned_train_loss", column]].mean()
    rest = means.drop(index=1)
    d = -1 if "accuracy" in column else 1
    means.loc[1, column] = d * 1e6
    row = row_of(runs, column)
    assert row["agreement"] == pytest.approx(d * kendalltau(means["pruned_train_loss"], means[column]).statistic)
    beside = kendalltau(rest["pruned_train_loss"], rest[column]).statistic
    assert row["agreement_without_diverged"] == pytest.approx(d * beside)
    assert row["agreement_without_diverged"] != row["agreement"]
    assert (row["n"], row["diverged"]) == (12, 1)


@pytest.mark.parametrize("column", METRIC_COLUMNS)
def test_ceiling_uses_combinations_with_all_repeats_and_no_divergence(column):
    runs = random_runs(n=40, k=2)
    complete = pd.DataFrame(runs).pivot(index="combo", columns="repeat", values=column).iloc[3:]
    t = kendalltau(complete[0], complete[1]).statistic
    reliability = max(0, math.sin(math.pi * t / 2))
    runs[0] |= {"status": "diverged"}
    runs[3] = failed(1, 1)
    row = row_of([run for run in runs if (run["combo"], run["repeat"]) != (2, 0)], column)
    assert (row["n"], row["ceiling_n"]) == (38, 37)  # the diverged combination counts, but has no ceiling
    assert row["repeat_tau"] == pytest.approx(t)
    assert row["rho_k"] == pytest.approx(2 * reliability / (1 + reliability))
    assert row["ceiling"] == pytest.approx(math.asin(math.sqrt(row["rho_k"])) * 2 / math.pi)


def test_without_repeats_there_is_no_ceiling_and_the_note_says_so():
    row = row_of(random_runs(n=12, k=1))
    assert math.isnan(row["ceiling"])
    assert row["note"] == "no repeats, so no noise ceiling"


def test_with_too_few_steady_combinations_there_is_no_ceiling_and_the_note_says_so():
    row = row_of([record(0, 0), record(0, 1), record(1, 0, 2.0, 0.8), diverged(1, 1, pruned_train_loss=2.0)])
    assert math.isnan(row["ceiling"])
    assert row["note"].startswith("no noise ceiling: it needs 2 combinations of which no repeat diverged; there are 1")


def test_a_constant_repeat_leaves_no_ceiling_and_the_note_says_so():
    row = row_of([record(c, r, c, 0.9 - r * c / 10) for c in range(3) for r in range(2)])
    assert row["agreement"] == pytest.approx(1)
    assert math.isnan(row["ceiling"])
    assert row["note"].startswith("no noise ceiling: in one repeat all metric values are equal")


@pytest.mark.parametrize("runs", [[record(0)], [failed(0), failed(1)], [record(None, picked_by="l1")]])
def test_a_study_with_fewer_than_two_outcomes_gives_rows_of_nan_and_one_sentence(runs):
    table = correlate(pd.DataFrame(runs))
    assert len(table) == 2
    assert table[["agreement", "tau", "p", "valid", "ceiling", "anomaly_ratio", "pairs"]].isna().all(axis=None)
    assert table["note"].str.startswith("statistics need at least 2 combinations with an outcome; there are ").all()
    assert "demo" in rendered(table)


def test_a_constant_score_is_reported_as_not_defined():
    row = row_of([record(0, 0, 1.0, 0.8), record(1, 0, 1.0, 0.9)])
    assert math.isnan(row["tau"]) and pd.isna(row["valid"])
    assert row["anomaly_ratio"] == 0.25
    assert row["note"].startswith("tau is not defined: all scores are equal")


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([], "runs must have the columns of a record; got none called study, "),
        (
            [record(0), record(0)],
            "runs must hold one record per run; got two of demo-1a2b3c4d: combination 0, repeat 0",
        ),
        ([record(0), record(1, removed={})], "runs of a study must all say which filters they removed, or none"),
        ([record(0), record(1, study_hash="ff")], "runs must have one study_hash per study; got 2 for demo-1a2b3c4d"),
        (
            [record(0), record(1, final_test_loss=None)],
            "runs with status ok must have .*; got none for 1 runs, the first",
        ),
    ],
)
def test_records_that_cannot_be_are_refused(runs, message):
    with pytest.raises(ValueError, match=message):
        correlate(pd.DataFrame(runs))


def rendered(table: pd.DataFrame, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(terminal(study_layout(table)))
    return console.file.getvalue()


def test_the_printed_table_fits_80_columns_whatever_happened():
    runs = random_runs(n=12, k=2)
    runs[3] |= {"status": "diverged"}
    text = rendered(correlate(pd.DataFrame([*runs, failed(12)])))
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert "1 run diverged" in " ".join(text.split())
    assert "of 26 runs 1 missing, 1 failed: the numbers do not include them" in text


def census(k: int, seed: int = 0, **columns: Any) -> list[dict]:
    """All 45 ways to remove two of ten filters."""
    runs = [{**run, **columns} for run in random_runs(45, k, seed)]
    pairs = list(combinations(range(10), 2))
    return [
        run | {"removed": {"conv1": list(pairs[run["combo"]])}, "order": "lexicographic", "space_size": 45}
        for run in runs
    ]


def test_the_table_has_the_columns_that_reports_are_written_for():
    row = row_of(census(3))
    named = "study study_hash setting_hash model data layers pruning_ratio wiring order space space_size"
    named += " pipeline engine retrain_fraction dense_hash pretrain_seed criterion final metric n k runs missing failed"
    named += " diverged"
    named += " unfinished incomplete agreement agreement_low"
    named += " agreement_high interval tau p valid tau_a spearman pearson agreement_without_diverged"
    named += " agreement_missing_low agreement_missing_high repeat_tau rho_1 rho_k rho_k_low rho_k_high ceiling"
    named += " ceiling_low ceiling_high ceiling_n noise_free noise_free_low noise_free_high collapsed p_permutation"
    named += " left_out left_out_combinations p_family error"
    named += " p_holm p_used relation verdict reason scope"
    named += " anomaly_ratio anomaly_low anomaly_high regret regret_low regret_high"
    named += " counterexample_ratio counterexamples pairs tied_score tied_final tie_share note"
    assert set(named.split()) == set(row.index)
    ordered = ["agreement_low", "agreement", "agreement_high"], ["rho_k_low", "rho_k", "rho_k_high"]
    ordered += ["ceiling_low", "ceiling", "ceiling_high"], ["noise_free_low", "noise_free", "noise_free_high"]
    ordered += ["anomaly_low", "anomaly_ratio", "anomaly_high"], ["regret_low", "regret", "regret_high"]
    for names in ordered:
        assert row[names].is_monotonic_increasing, names


@pytest.mark.parametrize(
    ("order", "size", "n", "space", "interval"),
    [
        ("lexicographic", 45, 45, "enumerated", "repeats"),
        ("lexicographic", 45, 44, "part", "repeats"),
        ("sampled", 45, 45, "enumerated", "repeats"),
        ("sampled", 10**30, 45, "sampled", "combinations"),
        ("lexicographic", 1001, 45, "part", "repeats"),
        (None, None, 45, "unknown", "combinations"),
        (None, 45, 45, "enumerated", "repeats"),
    ],
)
def test_the_interval_fits_how_the_combinations_were_chosen(order, size, n, space, interval):
    runs = [run | {"order": order, "space_size": size} for run in census(2) if run["combo"] < n]
    row = row_of(runs)
    assert (row["space"], row["interval"]) == (space, interval)
    assert ("is not known" in row["note"]) == (space == "unknown")
    assert math.isnan(row["p_permutation"]) == (space != "enumerated" or n != (size or n))
    assert row["p_used"] == ("scipy" if math.isnan(row["p_permutation"]) else "permutation")


def test_missing_combinations_bound_the_agreement():
    # Scores 1, 2, 3 with accuracies .9, .8, .7, and one combination of four missing: at best it fits as well, at worst
    # its three pairs are discordant, 3 against 3.
    runs = [record(i, 0, i, 0.9 - i / 10, order="lexicographic", space_size=4) for i in range(3)]
    row = row_of([*runs, failed(3) | {"order": "lexicographic", "space_size": 4}])
    assert row["agreement"] == pytest.approx(1)
    assert (row["agreement_missing_low"], row["agreement_missing_high"]) == pytest.approx((0, 1))
    assert row["note"].startswith("no filter-permutation p: 1 of 4 combinations are missing")
    whole = row_of(census(2))
    assert whole["agreement_missing_low"] == whole["agreement_missing_high"] == whole["agreement"]


def test_unfinished_runs_are_counted_and_no_outcome():
    runs = random_runs(n=12, k=2)
    runs[0] |= {"status": "unfinished", **dict.fromkeys(METRIC_COLUMNS), "pruned_train_loss": None}
    row = row_of(runs)
    assert (row["n"], row["left_out"], row["left_out_combinations"]) == (11, 1, 1)
    assert (row["unfinished"], row["failed"], row["n"], row["incomplete"], row["missing"]) == (1, 0, 11, 1, 0)
    assert row["ceiling_n"] == 11
    assert combinations_table(pd.DataFrame(runs))["unfinished"].tolist() == [1] + [0] * 11


def test_combinations_list_their_repeats():
    runs = [record(0, 0, 1.0, 0.8), record(0, 2, 1.0, 0.9), diverged(1, 1)]
    table = combinations_table(pd.DataFrame(runs))
    np.testing.assert_array_equal(table[f"repeats_{ACCURACY}"][0], [0.8, math.nan, 0.9])
    np.testing.assert_array_equal(table[f"repeats_{ACCURACY}"][1], [math.nan, -math.inf, math.nan])


def test_p_is_adjusted_by_holm_over_the_rows_of_a_metric():
    # The smallest of three p is multiplied by 3, the next by 2; never below one before, never above 1.
    studies = [{**run, "study": f"s{seed}", "study_hash": "x"} for seed in range(3) for run in random_runs(12, 1, seed)]
    table = correlate(pd.DataFrame(studies), draws=10)
    for _, rows in table.groupby("metric"):
        rows = rows.sort_values("p")
        expected = np.minimum(np.maximum.accumulate(rows["p"] * [3, 2, 1]), 1)
        assert rows["p_holm"].tolist() == pytest.approx(expected.tolist())


def test_points_read_off_a_figure_need_no_more_than_score_and_metric():
    points = pd.DataFrame(random_runs(n=20, k=1)).assign(study_hash=None, order=None, space_size=None, removed=None)
    points = points.drop(columns=["final_test_loss", "best_test_accuracy", "best_test_loss"])
    table = correlate(points, draws=100)
    assert table["metric"].tolist() == ["accuracy"]
    expected = kendalltau(points["pruned_train_loss"], points[ACCURACY]).statistic
    assert table["agreement"][0] == pytest.approx(-expected)
    with pytest.raises(ValueError, match="runs must have best_test_accuracy or best_test_loss; got none"):
        correlate(points, final="best")


def test_a_study_whose_choice_diverged_says_why_it_has_no_regret():
    runs = census(2)
    choice = min(runs, key=lambda run: run["pruned_train_loss"])
    choice["status"] = "diverged"
    row = row_of(runs)
    assert math.isnan(row["regret"])
    assert row["anomaly_ratio"] == 44 / 45
    assert row["note"] == "no regret: some repeat of the criterion's choice diverged"


def test_collapsed_combinations_are_counted_and_the_ceiling_is_flagged():
    runs = census(2)
    assert row_of(runs)["collapsed"] == 0
    collapsed = [run | {ACCURACY: -50.0} if run["combo"] < 3 else run for run in runs]
    row = row_of(collapsed)
    assert row["collapsed"] == 3
    assert row["note"] == "3 combinations have collapsed, so the ceiling may be up to 0.11 too high"
    assert row_of([run | {ACCURACY: 50.0} if run["combo"] < 3 else run for run in runs])["collapsed"] == 0


def test_few_steady_combinations_leave_the_ceiling_without_interval():
    runs = random_runs(12, 2)
    for run in runs:
        run["status"] = "ok" if run["repeat"] == 0 or run["combo"] < 7 else "diverged"
    row = row_of(runs)
    assert (row["ceiling_n"], row["interval"]) == (7, "combinations")
    assert row["agreement_low"] < row["agreement"] < row["agreement_high"]
    assert math.isnan(row["rho_k_low"]) and math.isnan(row["noise_free_high"]) and row["rho_k"] >= 0
    assert row["note"].startswith("no bootstrap intervals: they need 10 combinations; there are 7")


@pytest.mark.parametrize("column", ["pruned_train_loss", ACCURACY])
def test_infinite_values_are_ranked_whatever_the_space(column):
    for order, size in (("lexicographic", 45), ("sampled", 10**30)):
        runs = pd.DataFrame(census(2)).assign(order=order, space_size=size)
        large = runs.copy()
        worst = runs["combo"] < 4
        runs.loc[worst, column] = math.inf if column != ACCURACY else -math.inf
        large.loc[worst, column] = 1e9 if column != ACCURACY else -1e9
        found, expected = (correlate(table, metric="accuracy", draws=100).iloc[0] for table in (runs, large))
        for name in ("agreement", "p_permutation", "anomaly_ratio", "counterexamples", "spearman"):
            assert found[name] == pytest.approx(expected[name], nan_ok=True)
        assert found["agreement_low"] < found["agreement"] < found["agreement_high"]
        assert math.isnan(found["pearson"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"final": "first"}, "final must be last or best; got first"),
        ({"metric": "f1"}, "metric must be accuracy, loss or both; got f1"),
        ({"draws": 0}, "draws must be at least 1; got 0"),
    ],
)
def test_words_that_are_none_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        correlate(pd.DataFrame(random_runs(3, 1)), **options)


def test_the_seed_decides_the_table():
    runs = pd.DataFrame(census(2))
    first, again, other = (correlate(runs, draws=100, seed=seed) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first, again)
    assert first["rho_k_low"].tolist() != other["rho_k_low"].tolist()
    assert first["agreement"].tolist() == other["agreement"].tolist()


@pytest.mark.parametrize("size", [1000, 63_504, 10**30, None])
def test_a_part_of_an_enumerated_space_is_never_valid_or_invalid(size):
    # Perfect agreement of 200 combinations, or perfect disagreement: a sample would be valid, or invalid.
    def runs(sign: int, **space: Any) -> list[dict]:
        return [record(c, r, c, 0.5 - sign * (c + r / 10) / 1000, **space) for c in range(200) for r in range(2)]

    for sign, verdict in ((1, "valid"), (-1, "inverse")):
        assert row_of(runs(sign))["verdict"] == verdict
        row = row_of(runs(sign, order="lexicographic", space_size=size))
        assert row["verdict"] == "undecided"
        assert row["reason"].startswith("incomplete: the first 200 of ")
        assert row["reason"].endswith("combinations are no random sample of them")
        assert row["interval"] == "repeats"


def test_a_part_that_the_rest_cannot_contradict_is_judged():
    # One of 200, not the last, is missing: its 199 pairs cannot turn the other 19,701.
    space = {"order": "lexicographic", "space_size": 200}
    runs = [record(c, r, c, 0.5 - (c + r / 10) / 1000, **space) for c in range(200) for r in range(2) if c != 77]
    row = row_of(runs)
    assert row["agreement_missing_low"] == pytest.approx((19_701 - 199) / 19_900)
    assert row["verdict"] == "valid"


def test_points_of_an_unknown_space_show_a_relation_and_are_never_valid_unless_they_say_their_space(tmp_path):
    path = tmp_path / "points.csv"
    points = pd.DataFrame({"pruned_train_loss": np.arange(60.0), "final_test_accuracy": 0.9 - np.arange(60.0) / 1000})
    points.to_csv(path, index=False)
    row = correlate(load_runs(path), metric="accuracy").iloc[0]
    assert (row["relation"], row["verdict"]) == ("agrees", "undecided")
    assert row["reason"] == "sample: how the combinations were chosen is not known"
    points.assign(order="sampled", space_size=10**6).to_csv(path, index=False)
    row = correlate(load_runs(path), metric="accuracy").iloc[0]
    assert row["verdict"] == "valid" and "share filters" in row["reason"]
