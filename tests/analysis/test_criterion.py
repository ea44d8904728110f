"""The analysis of a criterion that is not the oracle: its own column and its own words, everywhere."""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.text import Text
from scipy.stats import kendalltau

import oraclecheck as oc
from analysis.test_tables import record
from oraclecheck.analysis.criterion import ORACLE, Criterion
from oraclecheck.analysis.figures.comparison import save_comparison
from oraclecheck.analysis.figures.complexity import save_complexity
from oraclecheck.analysis.figures.forest import save_forest
from oraclecheck.analysis.figures.scatter import save_scatter
from oraclecheck.analysis.figures.scatter_grid import save_scatter_grid
from oraclecheck.analysis.networks import across_networks

TEST_LOSS = Criterion("test_loss", "pruned_test_loss", "pruned test loss", "least test loss")
N = 14


def study(name: str = "one", seed: int = 0, **columns: object) -> pd.DataFrame:
    """Two repeats of some combinations; the loss on the training set knows nothing, that on the test set something."""
    generator = np.random.default_rng(seed)
    rows = []
    for combo, value in enumerate(generator.normal(size=N)):
        scores = {"pruned_test_loss": 3 + value, "study": name, "study_hash": name, **columns}
        losses, train_loss = value + generator.normal(size=2), generator.normal()
        rows += [record(combo, r, train_loss, 0.9 - loss / 100, **scores) for r, loss in enumerate(losses)]
    return pd.DataFrame(rows)


def means(runs: pd.DataFrame) -> pd.DataFrame:
    return runs.groupby("combo")[["pruned_test_loss", "pruned_train_loss", "final_test_accuracy"]].mean()


def words(figure: Figure) -> Iterator[str]:
    """All that is written in a figure."""

    def of(artist: Artist) -> Iterator[str]:
        yield str(artist.get_label())
        if isinstance(artist, Text):
            yield artist.get_text()
        for child in artist.get_children():
            yield from of(child)

    yield from of(figure)


def test_tables_are_about_the_column_of_the_criterion():
    runs = study()
    by_combination = means(runs)
    table = oc.correlate(runs, criterion=TEST_LOSS, metric="accuracy", draws=20)
    expected = kendalltau(by_combination["pruned_test_loss"], by_combination["final_test_accuracy"])
    assert table[["tau", "p"]].iloc[0].tolist() == pytest.approx([expected.statistic, expected.pvalue])
    assert table["criterion"].tolist() == ["test_loss"]
    choice = by_combination["final_test_accuracy"][by_combination["pruned_test_loss"].idxmin()]
    assert table["anomaly_ratio"][0] == pytest.approx((by_combination["final_test_accuracy"] > choice + 1e-12).mean())
    combos = oc.combinations_table(runs, criterion=TEST_LOSS)
    assert combos["score"].tolist() == pytest.approx(by_combination["pruned_test_loss"].tolist())
    assert oc.correlate(runs, metric="accuracy", draws=20)["criterion"].tolist() == ["oracle"]
    assert not any("oracle" in text or "train loss" in text for text in table.map(str).to_numpy().ravel())


def test_studies_are_compared_by_the_criterion():
    one, other = study(), study("other", seed=1, retrain_fraction=0.1)
    row = oc.compare(one, other, criterion=TEST_LOSS, metric="accuracy", draws=20).iloc[0]
    for side, runs in (("a", one), ("b", other)):
        by_combination = means(runs)
        expected = kendalltau(by_combination["pruned_test_loss"], by_combination["final_test_accuracy"])
        assert row[f"agreement_{side}"] == pytest.approx(-expected.statistic)


def test_mean_over_networks_is_of_one_criterion():
    shared = {"setting_hash": "s", "wiring": "correct"}
    runs = pd.concat([study(f"s{i}", i, dense_hash=str(i), pretrain_seed=i, **shared) for i in range(3)])
    tables = [oc.correlate(runs, criterion=c, metric="accuracy", draws=20) for c in (ORACLE, TEST_LOSS)]
    joined = across_networks(pd.concat(tables, ignore_index=True)).set_index("criterion")
    assert joined["networks"].tolist() == [3, 3]
    for criterion, table in zip(("oracle", "test_loss"), tables, strict=True):
        assert joined.loc[criterion, "agreement"] == pytest.approx(table["agreement"].mean())


def test_figures_say_the_words_of_the_criterion_and_no_others(tmp_path, monkeypatch):
    figures: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: figures.append(self))
    runs = pd.concat([study(model="a"), study("other", seed=1, model="b")], ignore_index=True)
    table = oc.correlate(runs, criterion=TEST_LOSS, draws=20)
    asked = {"metric": "accuracy", "final": "last", "criterion": TEST_LOSS}
    save_scatter(runs[:28], tmp_path / "scatter", **asked)
    save_scatter_grid(runs, tmp_path / "grid", **asked)
    save_comparison(runs, tmp_path / "comparison", **asked)
    save_forest(table, pd.DataFrame(), tmp_path / "forest", metric="accuracy")
    save_complexity(table, tmp_path / "complexity", metric="accuracy")
    assert len(figures) == 10  # each once as PNG and once as PDF
    written = [" | ".join(words(figure)) for figure in figures[::2]]
    assert not any("oracle" in text or "train loss" in text for text in written)
    scatter, grid, _, forest, complexity = written
    assert "least test loss (least pruned test loss)" in scatter and "better than the least test loss" in scatter
    assert "least test loss (least pruned test loss)" in grid
    assert "agreement $s$ of test_loss" in forest and "agreement $s$ of test_loss" in complexity


def test_scatter_shows_the_scores_of_the_criterion():
    runs, ax = study(), Figure().subplots()
    oc.plot_scatter(runs, ax, criterion=TEST_LOSS)
    assert ax.get_xlabel() == "pruned test loss"
    points = [artist for artist in ax.collections if artist.get_gid() != "spread"]
    drawn = sorted(float(x) for artist in points for x in artist.get_offsets()[:, 0])
    assert drawn == pytest.approx(sorted(means(runs)["pruned_test_loss"]))


def test_score_that_is_not_finite_ranks_last():
    runs = study()
    runs.loc[runs["combo"] == 3, "pruned_test_loss"] = math.inf
    assert oc.combinations_table(runs, criterion=TEST_LOSS)["score"][3] == math.inf
    score = means(runs)["pruned_test_loss"].rank()
    expected = kendalltau(score, means(runs)["final_test_accuracy"]).statistic
    assert oc.correlate(runs, criterion=TEST_LOSS, metric="accuracy", draws=20)["tau"][0] == pytest.approx(expected)


def test_runs_without_the_score_are_one_sentence():
    runs = study()
    with pytest.raises(ValueError, match="must have the columns of a record; got none called pruned_test_loss"):
        oc.correlate(runs.drop(columns="pruned_test_loss"), criterion=TEST_LOSS)
    with pytest.raises(
        ValueError, match="must have pruned_test_loss; got none for 28 runs, the first one: combination 0"
    ):
        oc.correlate(runs.assign(pruned_test_loss=math.nan), criterion=TEST_LOSS)
    assert len(oc.correlate(runs.drop(columns="pruned_train_loss"), criterion=TEST_LOSS, draws=20)) == 2


@pytest.mark.parametrize("column", ["pruned_test_loss", "pruned_train_loss"])
def test_records_contradict_each_other_in_the_score_or_in_the_loss_after_pruning(column):
    runs = study()
    runs.loc[5, column] += 1
    error = oc.correlate(runs, criterion=TEST_LOSS, metric="accuracy", draws=20)["error"][0]
    assert error.startswith("records of one combination contradict each other") and f"{column} is " in error
    assert oc.combinations_table(runs, criterion=TEST_LOSS)["score"].isna().all()
    with pytest.raises(ValueError, match=f"runs_a must hold .* contradict itself; .* {column} is "):
        oc.compare(runs, study("other"), criterion=TEST_LOSS)
    # What the oracle says of the same runs rests on one of the two columns only.
    assert (oc.correlate(runs, metric="accuracy", draws=20)["error"][0] != "") == (column == "pruned_train_loss")
