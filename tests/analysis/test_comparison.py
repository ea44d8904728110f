"""Two studies side by side, against scipy on the shared combinations."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau, spearmanr

from oraclecheck.analysis.comparison import compare
from oraclecheck.analysis.figures.comparison import plot_comparison

PAIRS = [[i, j] for i, j in combinations(range(10), 2)]


def study(name: str, seed: int, k: int = 3, noise: float = 0.3, **columns) -> pd.DataFrame:
    """A census of 45 combinations; the true metric is the same in every study of this file."""
    truth, rng = np.random.default_rng(99).normal(size=45), np.random.default_rng(seed)
    score = truth + rng.normal(size=45)
    rows = []
    for combo, removed in enumerate(PAIRS):
        for repeat in range(k):
            loss = truth[combo] + noise * rng.normal()
            row = {"study": name, "study_hash": name, "order": "lexicographic", "space_size": 45, "combo": combo}
            row |= {"removed": {"conv1": removed}, "picked_by": None, "repeat": repeat, "status": "ok"}
            row |= {"pruned_train_loss": score[combo], "final_test_loss": loss, "final_test_accuracy": -loss}
            rows.append(row | columns)
    return pd.DataFrame(rows)


def test_comparison_is_scipys_on_the_shared_combinations():
    a, b = study("a", 0), study("b", 1)
    b = b[b["combo"] >= 5].iloc[::-1]  # matched by removed filters, whatever the order of the records
    table = compare(a, b, draws=200)
    assert table["metric"].tolist() == ["accuracy", "loss"]
    row = table.iloc[1]
    means = [
        runs[runs["combo"] >= 5].groupby("combo")[["pruned_train_loss", "final_test_loss"]].mean() for runs in (a, b)
    ]
    taus = [kendalltau(side["pruned_train_loss"], side["final_test_loss"]).statistic for side in means]
    assert (row["agreement_a"], row["agreement_b"]) == pytest.approx(tuple(taus))
    assert row["difference"] == pytest.approx(taus[0] - taus[1])
    finals = means[0]["final_test_loss"], means[1]["final_test_loss"]
    assert row["final_tau"] == pytest.approx(kendalltau(*finals).statistic)
    assert row["final_spearman"] == pytest.approx(spearmanr(*finals).statistic)
    assert (row["n"], row["only_a"], row["only_b"], row["study_a"], row["study_b"]) == (40, 5, 0, "a", "b")
    assert table["agreement_a"].nunique() == 1  # the accuracy is the negative loss


@pytest.mark.parametrize("sampled", [True, False])
def test_intervals_hold_the_numbers_and_say_what_they_cover(sampled):
    columns = {"order": "sampled", "space_size": 10**9} if sampled else {}
    (row,) = compare(study("a", 0, **columns), study("b", 1, **columns), metric="loss", draws=400).to_dict("records")
    assert row["interval"] == ("combinations" if sampled else "repeats")
    for name in ("difference", "final_tau", "final_spearman"):
        assert row[f"{name}_low"] < row[name] < row[f"{name}_high"]


def test_a_census_without_repeats_has_no_intervals():
    (row,) = compare(study("a", 0), study("b", 1, k=1), metric="loss", draws=100).to_dict("records")
    assert np.isnan(row["difference_low"]) and row["interval"] == "none"
    assert row["note"] == "no intervals: in a census they need repeats in both studies"


def test_intervals_of_a_census_cover_what_retraining_shows():
    truth, rng, a, b = np.random.default_rng(99).normal(size=45), np.random.default_rng(5), study("a", 0), study("b", 1)
    scores = [runs.groupby("combo")["pruned_train_loss"].mean() for runs in (a, b)]
    shown = []
    for _ in range(150):
        means = truth + 0.5 * rng.normal(size=(2, 45)) / np.sqrt(3)
        taus = [kendalltau(score, mean).statistic for score, mean in zip(scores, means, strict=True)]
        shown.append([taus[0] - taus[1], kendalltau(*means).statistic, spearmanr(*means).statistic])
    names = ("difference", "final_tau", "final_spearman")
    hits = []
    for _ in range(40):
        retrained = [
            runs.assign(final_test_loss=truth[runs["combo"]] + 0.5 * rng.normal(size=len(runs))) for runs in (a, b)
        ]
        (row,) = compare(*retrained, metric="loss", draws=1).to_dict("records")
        expected = dict(zip(names, np.mean(shown, axis=0), strict=True))
        hits.append([row[f"{name}_low"] <= expected[name] <= row[f"{name}_high"] for name in names])
    of_difference, *of_finals = np.mean(hits, axis=0)
    assert of_difference == pytest.approx(0.95, abs=0.05)
    # The true metrics are the same here, where the sum of both noises is at its most cautious.
    assert min(of_finals) > 0.93


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (pd.concat([study("a", 0), study("c", 0)]), study("b", 1), "runs_a must hold the runs of one study; got 2"),
        (study("a", 0)[:9], study("b", 1)[9:], "must share combinations that count in both; got none"),
        (
            study("a", 0).drop(columns="final_test_loss"),
            study("b", 1).drop(columns="final_test_accuracy"),
            "runs_a and runs_b must both have final_test_accuracy or final_test_loss; got no metric in both",
        ),
    ],
)
def test_studies_that_cannot_be_compared_are_refused(a, b, message):
    with pytest.raises(ValueError, match=message):
        compare(a, b)


def test_few_shared_combinations_have_numbers_but_no_bootstrap():
    columns = {"order": "sampled", "space_size": 10**9}
    a, b = study("a", 0, **columns), study("b", 1, **columns)
    (row,) = compare(a[:9], b, metric="loss").to_dict("records")
    assert row["note"] == "no bootstrap intervals: they need 10 combinations; there are 3"
    (row,) = compare(a[:3], b, metric="loss").to_dict("records")
    assert row["note"] == "statistics need at least 2 shared combinations; there is 1"


def points(name: str, seed: int, rows: int = 30, **columns) -> pd.DataFrame:
    """A study as a file of points gives it: numbered rows, and no filters."""
    runs = study(name, seed, k=1)[:rows].assign(order=None, space_size=None)
    return runs.assign(removed=[{}] * rows, **columns)


def test_files_of_points_are_paired_by_their_numbers_and_say_so():
    a, b = points("a", 0), points("b", 1)
    (row,) = compare(a, b.iloc[::-1], metric="loss", draws=50).to_dict("records")
    assert (row["n"], row["only_a"], row["only_b"]) == (30, 0, 0)
    assert row["final_tau"] == pytest.approx(kendalltau(a["final_test_loss"], b["final_test_loss"]).statistic)
    assert row["note"] == "combinations are paired by their numbers: neither study says which filters were removed"
    # A column combo with gaps numbers the combinations themselves.
    (row,) = compare(a, b[b["combo"] % 2 == 1], metric="loss", draws=50).to_dict("records")
    assert (row["n"], row["only_a"]) == (15, 15)
    odd = [kendalltau(side["pruned_train_loss"][1::2], side["final_test_loss"][1::2]).statistic for side in (a, b)]
    assert (row["agreement_a"], row["agreement_b"]) == pytest.approx(tuple(odd))


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (points("a", 0), study("b", 1), "must both say which filters each combination removed, or neither; a does not"),
        (points("a", 0), points("b", 1, rows=29), "to be compared row by row; a has 30 and b 29"),
        (
            points("a", 0, layers=[["conv1"]] * 30),
            points("b", 1, layers=[["conv2"]] * 30),
            "must number the same combinations to be compared; layers is conv1 in a and conv2 in b",
        ),
        (
            points("a", 0, order="sampled"),
            points("b", 1, order="lexicographic"),
            "order is sampled in a and lexicographic in b",
        ),
    ],
)
def test_studies_that_cannot_be_paired_are_refused(a, b, message):
    for first, second in ((a, b), (b, a)):
        with pytest.raises(ValueError, match=r"studies (to compare|that do not say)"):
            compare(first, second, draws=2)
    with pytest.raises(ValueError, match=message):
        compare(a, b, draws=2)
    with pytest.raises(ValueError, match=message):
        plot_comparison(pd.concat([a, b]), metric="loss")


def test_figure_of_files_of_points_pairs_as_the_table_does():
    a, b = points("a", 0), points("b", 1)
    (row,) = compare(a, b, metric="loss", draws=2).to_dict("records")
    title = plot_comparison(pd.concat([a, b]), metric="loss").get_title()
    assert title.startswith(f"$n$ = 30, $\\tau$ = {row['final_tau']:.2f}".replace("-", "\N{MINUS SIGN}"))
