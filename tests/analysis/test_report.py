"""The report's command line, fed with records that need no training."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from oraclecheck.report import main, report_study

FILES = ["combinations.csv", "scatter_accuracy.pdf", "scatter_accuracy.png", "scatter_loss.pdf", "scatter_loss.png"]
FILES.append("table.csv")


def study_runs(study: str = "demo-1a2b3c4d", n: int = 6, k: int = 2) -> pd.DataFrame:
    """A whole space of n combinations with k repeats; combination i removes filter i and scores i."""
    generator = np.random.default_rng(0)
    rows = []
    for combo in range(n):
        for repeat in range(k):
            row = {"study": study, "study_hash": study[-8:], "order": "lexicographic", "space_size": n}
            row |= {"combo": combo, "removed": {"conv1": [combo]}, "picked_by": None, "repeat": repeat}
            row |= {"status": "ok", "pruned_train_loss": float(combo)}
            for epoch in ("final", "best"):
                row[f"{epoch}_test_accuracy"] = 0.9 - combo / 100 + generator.normal() / 1000
                row[f"{epoch}_test_loss"] = 0.1 + combo / 100 + generator.normal() / 1000
            rows.append(row)
    return pd.DataFrame(rows)


@pytest.fixture
def records(monkeypatch) -> dict[str, pd.DataFrame]:
    """What the folders given on the command line hold, by their path."""
    held: dict[str, pd.DataFrame] = {}
    monkeypatch.setattr("oraclecheck.records.table.load_runs", lambda path: held[str(path)])
    return held


def test_report_of_a_study_prints_the_table_and_writes_beside_the_records(records, capsys):
    folder = Path("multirun/demo-1a2b3c4d")
    records[str(folder)] = study_runs()
    assert main([str(folder)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "n = 6, k = 2" in out
    assert sorted(path.name for path in (folder / "report").iterdir()) == FILES
    assert all(str(folder / "report" / name) in out.splitlines() for name in FILES)
    assert "missing and" not in out


def test_report_of_a_folder_of_studies_writes_into_each(records):
    for name in ("a-11111111", "b-22222222"):
        Path("multirun", name).mkdir(parents=True)
    records["multirun"] = pd.concat([study_runs("a-11111111"), study_runs("b-22222222")], ignore_index=True)
    assert main(["multirun"]) == 0
    for name in ("a-11111111", "b-22222222"):
        assert sorted(path.name for path in Path("multirun", name, "report").iterdir()) == FILES
        assert set(pd.read_csv(Path("multirun", name, "report", "table.csv"))["study"]) == {name}


def test_report_writes_to_out_by_the_name_of_the_study(records):
    records["x"], records["y"] = study_runs("a-11111111"), study_runs("b-22222222")
    assert main(["x", "y", "--out", "paper"]) == 0
    assert sorted(path.name for path in Path("paper").iterdir()) == ["a-11111111", "b-22222222"]
    assert (Path("paper") / "a-11111111" / "table.csv").is_file()
    assert not Path("x").exists()


def test_report_says_in_one_line_what_the_numbers_lack(tmp_path):
    runs = study_runs().drop(index=[0, 5])
    runs.loc[3, "status"] = "failed"
    pick = runs.loc[[4]].assign(combo=None, picked_by="l1", status="failed")
    console = Console(file=io.StringIO(), width=100)
    report_study(pd.concat([runs.astype({"combo": object, "picked_by": object}), pick]), tmp_path, console)
    assert console.file.getvalue().splitlines()[-1] == (
        "2 of 12 runs are missing and 1 failed; 1 runs of combinations that a criterion picked failed: "
        "the numbers above do not include them"
    )


def test_report_stores_numbers_that_read_back_unrounded(tmp_path):
    runs = study_runs()
    report_study(runs, tmp_path, Console(file=io.StringIO()))
    table = pd.read_csv(tmp_path / "table.csv")
    assert len(table) == 2
    assert table["agreement"].tolist() == pytest.approx([1, 1])
    stored = pd.read_csv(tmp_path / "combinations.csv")
    assert [json.loads(removed) for removed in stored["removed"]] == [{"conv1": [combo]} for combo in range(6)]
    means = runs.groupby("combo")["final_test_accuracy"].mean()
    assert stored["final_test_accuracy"].tolist() == pytest.approx(means.tolist(), abs=1e-12)


def test_report_of_a_single_run_still_writes_everything(tmp_path):
    console = Console(file=io.StringIO(), width=100)
    report_study(study_runs(n=1, k=1), tmp_path, console)
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    assert "statistics need at least 2 combinations" in console.file.getvalue()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: FOLDER"),
        (["x", "--colour"], "unrecognized arguments: --colour"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(capsys, arguments, message):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"oraclecheck: {message}\n"


def test_a_folder_without_records_is_one_sentence_and_nothing_is_written(capsys):
    Path("empty").mkdir()
    assert main(["empty", "--out", "paper"]) == 2
    out, err = capsys.readouterr()
    assert err.startswith("oraclecheck: ") and err.count("\n") == 1 and "empty" in err
    assert out == ""
    assert not Path("paper").exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(records, capsys):
    records["x"] = study_runs()
    Path("taken").write_text("a file, not a folder")
    assert main(["x", "--out", "taken"]) == 2
    assert capsys.readouterr().err.startswith("oraclecheck: ")


def test_importing_the_report_is_cheap():
    heavy = "{'numpy', 'pandas', 'scipy', 'matplotlib', 'rich', 'torch'} & set(sys.modules)"
    code = f"import sys, oraclecheck.report; print({heavy} or 'none')"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "none\n"
