"""Records that measure one network differently are an error of their study, never an average."""

import json
import math
from pathlib import Path

import pandas as pd
import pytest
from hand_made import study_folder, write_run

from analysis.test_tables import record
from oraclecheck.analysis.comparison import compare
from oraclecheck.analysis.tables import combinations_table, correlate
from oraclecheck.records.table import load_runs
from oraclecheck.report.command import main


def runs(*, score: float = 1.0, **columns: float) -> pd.DataFrame:
    """Four combinations of two repeats; the last record has another score, or another column."""
    table = pd.DataFrame([record(c, r, c + 1.0, 0.9 - c / 10) for c in range(4) for r in range(2)])
    table["dense_test_accuracy"], table["dense_train_loss"] = 0.98, 0.05
    table.loc[1, ["pruned_train_loss", *columns]] = [score, *columns.values()]
    return table


@pytest.mark.parametrize(
    ("column", "same", "other"),
    [
        ("pruned_train_loss", 1.000009, 1.000012),
        ("pruned_train_loss", 1.0, math.inf),
        ("dense_test_accuracy", 0.980009, 0.9801),
        ("dense_train_loss", 0.0500001, 0.051),
    ],
)
def test_study_whose_records_disagree_has_an_error_and_no_number(column, same, other):
    def changed(value: float) -> pd.DataFrame:
        return runs(score=value) if column == "pruned_train_loss" else runs(**{column: value})

    fine = correlate(changed(same), metric="accuracy", draws=10).iloc[0]
    assert (fine["error"], fine["agreement"]) == ("", pytest.approx(1))
    wrong = correlate(changed(other), metric="accuracy", draws=10).iloc[0]
    assert f"{column} is " in wrong["error"] and "0/1" in wrong["error"] and f"{other:.9g}" in wrong["error"]
    assert wrong[["agreement", "tau", "p", "valid", "anomaly_ratio", "pairs", "rho_k"]].isna().all()
    assert (wrong["verdict"], wrong["reason"]) == ("undecided", f"error: {wrong['error']}")
    assert combinations_table(changed(other))["score"].isna().all()


def test_rounds_of_pruning_have_a_score_of_each_repeat_and_count_with_their_mean():
    table = runs(score=1.5).assign(pipeline="iterative")
    found = correlate(table, metric="accuracy", draws=10).iloc[0]
    assert found["error"] == "" and found["agreement"] == pytest.approx(1)
    assert list(combinations_table(table)["score"]) == [1.25, 2.0, 3.0, 4.0]


def test_score_of_a_picked_combination_is_that_of_its_double():
    pick = record(None, 0, 0.5, picked_by="l1", removed={"conv1": [2]})
    table = pd.DataFrame([*runs().to_dict("records"), pick])
    assert "0.5 in l1/0 and 3 in 2/0" in correlate(table, metric="loss", draws=10)["error"].iloc[0]
    table.loc[8, "pruned_train_loss"] = 3.0
    assert correlate(table, metric="loss", draws=10)["error"].iloc[0] == ""


def test_losses_near_zero_may_differ_as_float32_does():
    near = runs(dense_train_loss=3e-8).assign(dense_train_loss=[0.0, 3e-8] * 4)
    assert correlate(near, metric="loss", draws=10)["error"].iloc[0] == ""


def test_study_that_contradicts_itself_does_not_spoil_another_one_and_is_not_compared():
    wrong, other = runs(score=1.1), runs().assign(study="other", study_hash="x")
    table = correlate(pd.concat([wrong, other]), metric="accuracy", draws=10).set_index("study")
    assert table.loc["other", "agreement"] == pytest.approx(1) and table.loc["other", "p_family"] == 1
    with pytest.raises(ValueError, match=r"runs_a must hold .* contradict itself; .* is 1 in 0/0 and 1.1 in 0/1"):
        compare(wrong, other)


def test_report_says_the_error_everywhere_and_exits_with_1(capsys, monkeypatch):
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda _, file, **options: None)
    folder = study_folder(Path("multirun"))
    write_run(folder, 3, 1, accuracy=0.5, loss=0.5, pruned_train_loss=3.1)
    assert main([str(folder)]) == 1
    out, err = capsys.readouterr()
    error = correlate(load_runs(folder), draws=2)["error"][0]
    assert "pruned_train_loss is 3 in 3/0 and 3.1 in 3/1" in error
    assert error in " ".join(out.split()) and f"oraclecheck: {folder.name}: {error}" in err
    page, table = (folder / "report" / name for name in ("index.html", "table.csv"))
    assert error in page.read_text() and set(pd.read_csv(table)["error"]) == {error}
    assert error in (folder / "report" / "table.md").read_text().replace("\\", "")
    assert main([str(folder), "--format", "json"]) == 1
    (row, _) = json.loads(capsys.readouterr().out)["studies"]
    assert row["error"] == error and row["agreement"] is None
