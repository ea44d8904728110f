"""Figures of fifteen studies of several layers, ratios, wirings and dense networks: words fit, and say what differs."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from figure_text import misplaced
from hand_made import correlated
from matplotlib.figure import Figure
from mixed_sweep import DIVERGED, mixed_sweep

import oraclecheck as oc
from oraclecheck.analysis.figures.comparison import save_comparison
from oraclecheck.analysis.figures.complexity import save_complexity
from oraclecheck.analysis.figures.forest import plot_forest, save_forest
from oraclecheck.analysis.figures.scatter import save_scatter
from oraclecheck.analysis.figures.scatter_grid import save_scatter_grid
from oraclecheck.analysis.networks import across_networks
from oraclecheck.analysis.words import study_labels

METRICS = ["accuracy", "loss"]


@pytest.fixture(scope="module")
def runs() -> pd.DataFrame:
    return mixed_sweep()


@pytest.fixture(scope="module")
def table(runs: pd.DataFrame) -> pd.DataFrame:
    return oc.correlate(runs, draws=20)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Figure]:
    """The figure that a function saves."""
    figures: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: figures.append(self))

    def draw(save: Callable[..., object], *arguments: object, **asked: object) -> Figure:
        save(*arguments, Path("figure"), **asked)
        return figures[-1]

    return draw


def test_no_label_says_what_all_share_or_what_follows(runs):
    labels = list(study_labels(runs).values())
    assert labels[0] == "conv1, 0.2, wiring correct, dense seed 0"
    assert labels[-1] == "conv1/2/3, 0.2, wiring correct, dense seed 0"  # sampled, as no other, for it is large
    assert len(set(labels)) == 15


@pytest.mark.parametrize("metric", METRICS)
def test_scatters_of_a_mixed_sweep_have_words_that_fit(drawn, runs, table, metric):
    figure = drawn(save_scatter_grid, runs, metric=metric, table=table)
    assert misplaced(figure) == []
    titles = [ax.get_title().replace("\n", " ") for ax in figure.axes if ax.get_title()]
    assert len(titles) == 15
    rows = table[table["metric"] == metric].set_index("study")
    for (study, label), title in zip(study_labels(runs).items(), titles, strict=True):
        row = rows.loc[study]
        numbers = [row["agreement"], row["agreement_low"], row["agreement_high"]]
        s, low, high = (f"{number:.2f}".replace("-", "\N{MINUS SIGN}") for number in numbers)
        assert title.startswith(f"{label} ")
        assert f"$s$ = {s} [{low}, {high}]".replace("\N{MINUS SIGN}0.00", "0.00") in title
        assert f"$n$ = {row['n']}, ceiling {row['ceiling']:.2f}" in title
        assert ("permuted $p$ = " in title) == (row["space"] == "enumerated")


@pytest.mark.parametrize("metric", METRICS)
def test_forest_of_a_mixed_sweep_keeps_its_words_in_a_third_of_the_width(drawn, table, metric):
    figure = drawn(save_forest, table, across_networks(table), metric=metric)
    assert misplaced(figure) == []
    (ax,) = figure.axes
    labels = [label.get_window_extent().width for label in ax.get_yticklabels()]
    assert max(labels) < figure.bbox.width / 3
    assert ax.bbox.width > 0.4 * figure.bbox.width


def test_forest_has_a_bold_mean_above_the_networks_of_its_setting(table):
    ax = Figure().subplots()
    plot_forest(table, ax)
    labels = {label.get_text(): label.get_weight() for label in ax.get_yticklabels()}
    texts = [label.get_text().replace("\n", " ") for label in ax.get_yticklabels()]
    assert texts[:5] == [
        "conv1, 0.2, wiring correct",
        *(f"dense seed {seed}" for seed in range(3)),
        "conv1, 0.2, wiring released_code",
    ]
    assert len(texts) == 15 + 4
    assert [name for name, weight in labels.items() if weight == "bold"] == [
        *("conv1, 0.2, wiring correct", "conv1, 0.2, wiring released_code"),
        *("conv2, 0.2, wiring correct", "conv3, 0.2, wiring correct"),
    ]
    rows = table[(table["metric"] == "accuracy")].groupby("setting_hash")["agreement"]
    means = sorted(rows.mean()[rows.count() == 3])
    diamonds = sorted(line.get_xdata()[0] for line in ax.lines if line.get_marker() == "D")
    assert diamonds == pytest.approx(means)
    wide = [line.get_xdata() for line in ax.lines if line.get_linewidth() == 2.2]
    assert len(wide) == 4
    reach = [4.302652729911275 * of.std() / np.sqrt(3) for _, of in rows if len(of) == 3]  # t quantile, 2 degrees
    assert sorted(high - low for low, high in wide) == pytest.approx(sorted(2 * half for half in reach))


@pytest.mark.parametrize("metric", METRICS)
def test_scatter_of_a_study_has_a_rug_of_its_diverged_combinations(drawn, runs, table, metric):
    study = runs["study"][runs["status"] == "diverged"].value_counts().index[0]
    own = runs[runs["study"] == study]
    diverged = own[own["combo"].isin(own["combo"][own["status"] == "diverged"])].drop_duplicates("combo")
    figure = drawn(save_scatter, own, metric=metric, table=table, label=study_labels(runs)[study])
    assert misplaced(figure) == []
    (ax,) = figure.axes
    (rug,) = [line for line in ax.lines if line.get_gid() == "rug"]
    assert sorted(rug.get_xdata()) == sorted(diverged["pruned_train_loss"])
    at_the_edge = {round(float(y)) for y in rug.get_ydata()}  # in shares of the Axes
    assert at_the_edge == ({0} if metric == "accuracy" else {1})
    assert f"{len(diverged)} diverged, at the edge" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_scatter_has_a_bar_from_the_least_to_the_greatest_repeat_of_every_combination(drawn, runs, table):
    own = runs[runs["study"] == runs["study"].iloc[-1]]
    (ax,) = drawn(save_scatter, own, metric="loss", table=table).axes
    bars = [bar for lines in ax.collections if lines.get_gid() == "spread" for bar in lines.get_segments()]
    ends = own.groupby("pruned_train_loss")["final_test_loss"].agg(["min", "max"])
    expected = [(score, low, high) for score, (low, high) in zip(ends.index, ends.to_numpy(), strict=True)]
    found = sorted((float(bar[0][0]), float(bar[0][1]), float(bar[1][1])) for bar in bars)
    np.testing.assert_allclose(found, expected)


def test_comparison_of_two_studies_that_differ_in_much_has_words_that_fit(drawn, runs):
    studies = [study for study, label in study_labels(runs).items() if label.startswith("conv1, 0.2")]
    pair = runs[runs["study"].isin([studies[0], studies[-1]])]
    figure = drawn(save_comparison, pair, metric="accuracy")
    assert misplaced(figure) == []
    assert figure.axes[0].get_xlabel() == "final test accuracy (%), wiring released_code,\ndense seed 2"


def test_complexity_of_networks_with_long_names_has_words_that_fit(drawn):
    names = ["resnet56_for_cifar_wide", "vgg19_with_batchnorm", "lenet5_mini", "resnet18", "mobilenet_v2_width_0.25"]
    rows = [{"model": name, "study": name, "dense_params": 10**6 + i} for i, name in enumerate(names)]
    figure = drawn(save_complexity, correlated(*rows), metric="accuracy")
    assert misplaced(figure) == []
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert [label.replace("\n", "")[: -len("1,000,000")] for label in labels] == names


def test_mixed_sweep_is_what_the_tests_take_it_for(runs):
    assert runs["study"].nunique() == 15 and runs["setting_hash"].nunique() == 7
    assert (runs["status"] == "diverged").sum() == len(DIVERGED)
    assert all(re.fullmatch("[0-9a-f]{64}", own) for own in runs["study_hash"])
