"""The report's command, on folders and files as users have them; no training is needed."""

import csv
import errno
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hand_made import study_folder, write_run

from oraclecheck.records.table import load_runs
from oraclecheck.report.command import main

STUDY_FILES = [f"{stem}.{suffix}" for stem in ("combinations", "table") for suffix in ("csv", "md", "tex")]
STUDY_FILES += [f"scatter_{metric}.{suffix}" for metric in ("accuracy", "loss") for suffix in ("pdf", "png")]
A, B = "a-11111111", "b-22222222"


@pytest.fixture(autouse=True)
def quick_figures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are drawn and not rendered, which takes half a second each, but where a test asks for `rendered`."""
    if "rendered" not in request.fixturenames:
        monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **options: None)


@pytest.fixture
def rendered() -> None:
    """Figures are rendered in tests that ask for it."""


Command = Callable[..., tuple[int, str, list[str]]]


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs the command; gives exit code, stdout and what stderr says but for what takes long."""

    def run(*arguments: str | Path) -> tuple[int, str, list[str]]:
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, [line for line in err.splitlines() if not line.endswith(" ...")]

    return run


def names(folder: Path | str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def points(path: str, rows: list[tuple[float, float]], columns: str = "pruned_train_loss,final_test_accuracy") -> str:
    Path(path).write_text("\n".join([columns, *(f"{score},{final}" for score, final in rows)]) + "\n")
    return path


def test_report_of_a_study_prints_the_table_and_writes_beside_the_records(report, rendered):
    folder = study_folder(Path("multirun"))
    code, out, err = report(folder)
    assert (code, err) == (0, [])
    assert "demo-1a2b3c4d: 6 of 6 combinations (enumerated), 2 repeats" in out
    assert set(STUDY_FILES) <= set(names(folder / "report"))
    assert all(str(folder / "report" / name) in out.splitlines() for name in STUDY_FILES)
    assert all((folder / "report" / name).stat().st_size > 100 for name in STUDY_FILES)


def test_report_of_a_folder_of_studies_writes_into_each_and_an_overview(report):
    for name in (A, B):
        study_folder(Path("multirun"), name, wiring="correct" if name == A else "released_code")
    code, out, err = report("multirun")
    assert (code, err) == (0, [])
    for name in (A, B):
        assert set(STUDY_FILES) <= set(names(Path("multirun", name, "report")))
        assert set(pd.read_csv(Path("multirun", name, "report", "table.csv"))["study"]) == {name}
    overview = {"studies.csv", "studies.md", "studies.tex", "forest_accuracy.pdf", "scatters_loss.png"}
    assert overview <= set(names("multirun/report"))
    assert "11111111" in out and "released_code" in out


def test_report_has_one_page_with_the_command_that_writes_it_again(report):
    one, other = study_folder(Path("x"), A), study_folder(Path("y"), B)
    out = report(one, other, "--out", "paper & pen")[1]
    page = Path("paper & pen", "index.html")
    assert str(page) in out.splitlines() and "index.html" not in names(page.parent / A)
    text = page.read_text(encoding="utf-8")
    command = "python -m oraclecheck.report x/a-11111111 y/b-22222222 --out &#39;paper &amp; pen&#39;"
    assert command in text and A in text and B in text
    assert report(one)[0] == 0 and (one / "report" / "index.html").is_file()


def test_report_writes_to_out_by_the_name_of_the_study(report):
    one, other = study_folder(Path("x"), A), study_folder(Path("y"), B)
    assert report(one, other, "--out", "paper", "--metric", "loss")[0] == 0
    assert {A, B, "studies.csv", "forest_loss.png"} <= set(names("paper"))
    assert "scatter_accuracy.png" not in names(f"paper/{A}")
    assert not (one / "report").exists()


def test_report_of_a_file_of_points_goes_to_report_and_has_only_the_metric_it_has(report):
    points("demo.csv", [(1, 0.9), (2, 0.8), (3, 0.85)])
    code, out, err = report("demo.csv")
    assert (code, err) == (0, [])
    assert {"table.csv", "scatter_accuracy.pdf"} <= set(names("report/demo"))
    assert "scatter_loss.pdf" not in names("report/demo")
    # Of three pairs two are in order, one is not: tau = -1/3 against an accuracy.
    assert "-0.33 / 1.0e+00" in out


def test_studies_with_names_that_no_folder_should_have_get_a_folder_each(report):
    rows = [f"{study},{score},{1 - score / 10}" for study in ("../x", "..-x", "..") for score in (1, 2, 3)]
    Path("odd.csv").write_text("\n".join(["study,pruned_train_loss,final_test_accuracy", *rows]))
    assert report("odd.csv")[0] == 0
    studies = {pd.read_csv(table)["study"][0] for table in Path("report").glob("*/table.csv")}
    assert studies == {"../x", "..-x", ".."}


def test_networks_are_compared_where_all_else_is_alike(report, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        "oraclecheck.report.files.save_complexity",
        lambda table, stem, **_: drawn.setdefault(stem.name, table["model"].tolist()) and [],
    )
    cells = [("small", "conv1"), ("large", "conv1"), ("small", "conv2"), ("large", "conv2"), ("small", "conv3")]
    for i, (model, layer) in enumerate(cells):
        study_folder(Path("m"), f"s-{i:08x}", n=4, k=1, model=model, layers=[layer])
    report("m", "--metric", "loss")
    assert drawn == {f"complexity_loss_{layer}": ["large", "small"] for layer in ("conv1", "conv2")}


def test_a_corrupted_record_of_a_sampled_study_is_counted(report):
    folder = study_folder(Path("m"), k=1, order="sampled")
    (folder / "5" / "0" / "record.json").write_text("{broken")
    code, _, err = report(folder)
    assert code == 1
    assert err[-1] == ("oraclecheck: demo-1a2b3c4d: of 6 runs 1 unfinished: the numbers do not include them")
    assert "record.json must be a valid record" in err[0]


def test_means_over_networks_follow_where_studies_differ_only_in_the_dense_network(report):
    for seed in range(3):
        study_folder(Path("m"), f"s-{seed:08x}", pretrain_seed=seed, dense_hash=str(seed) * 64)
    code, out, _ = report("m")
    assert code == 0
    assert [line.split()[3:5] for line in out.splitlines() if line.startswith("mean")] == [["3", "networks"]] * 2
    assert pd.read_csv("m/report/networks.csv")["networks"].tolist() == [3, 3]


def test_settings_that_no_column_tells_apart_stand_side_by_side_and_are_not_averaged(report):
    for seed in range(4):
        setting = f"{seed % 2 + 1}" * 64
        folder = study_folder(Path("m"), f"s-{seed:08x}", setting_hash=setting, dense_hash=str(seed) * 64)
        content = json.loads((folder / "study.json").read_text())
        content["definition"]["retrain"] = {"epochs": 10 * (seed % 2 + 1)}
        (folder / "study.json").write_text(json.dumps(content))
    code, out, _ = report("m", "--metric", "accuracy")
    assert code == 0 and pd.read_csv("m/report/networks.csv")["networks"].tolist() == [2, 2]
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "11111111 s-00000000, s-00000002 retrain.epochs 10" in lines
    assert "22222222 s-00000001, s-00000003 retrain.epochs 20" in lines
    means = [line.split()[:2] for line in lines if "mean" in line and "networks" in line]
    assert means == [["11111111", "mean"], ["22222222", "mean"]]
    for written in ("settings.md", "index.html"):
        text = Path("m/report", written).read_text()
        assert "retrain.epochs 10" in text and "retrain.epochs 20" in text
    code, _, err = report("m", "--by", "layers")
    assert code == 2 and err[0].endswith("share a row: add setting_hash")
    assert report("m", "--by", "setting_hash", "--metric", "accuracy", "--format", "csv")[0] == 0


def test_rows_are_named_by_the_columns_asked_for(report):
    for seed in range(3):
        study_folder(Path("m"), f"s-{seed:08x}", pretrain_seed=seed, dense_hash=str(seed) * 64)
    _, out, _ = report("m", "--by", "layers", "pruning_ratio", "--metric", "accuracy", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(row["layers"], row["pruning_ratio"], row["networks"]) for row in rows] == [("conv1", "0.2", "3")]


def test_rows_that_do_not_tell_studies_apart_are_one_sentence(report):
    for name in (A, B):
        study_folder(Path("m"), name, wiring="correct" if name == A else "released_code")
    code, out, err = report("m", "--by", "layers")
    assert (code, out) == (2, "")
    assert err == [
        "oraclecheck: --by must tell studies apart that are no networks of one setting; a-11111111, b-22222222 share a "
        "row: add wiring"
    ]
    assert report("m", "--by", "layer")[2][0].endswith("got 'layer': did you mean layers?")
    assert not Path("m/report").exists()


@pytest.mark.parametrize("form", ["md", "latex", "csv", "json"])
def test_a_format_prints_that_document_and_nothing_else(report, form):
    study_folder(Path("m"), A)
    folder = study_folder(Path("m"), B, pruning_ratio={"conv1": 0.3})
    shutil.rmtree(folder / "3" / "1")
    code, out, err = report("m", "--format", form)
    assert code == 1
    assert len(err) == 1 and "1 missing" in err[0]
    if form == "json":
        content = json.loads(out)
        assert [row["study"] for row in content["studies"]] == [A, A, B, B]
        assert content["networks"] == []
        stored = pd.read_csv("m/report/studies.csv")
        assert [row["agreement"] for row in content["studies"]] == stored["agreement"].tolist()
        assert content["studies"][0]["reason"] == stored["reason"][0]
    elif form == "csv":
        table = pd.read_csv(io.StringIO(out))
        assert table["missing"].tolist() == [0, 0, 1, 1]
        assert table["agreement"].tolist() == pd.read_csv("m/report/studies.csv")["agreement"].tolist()
    elif form == "md":
        assert all(line[:2] in ("", "| ", "**") or line[0].isalpha() for line in out.splitlines())
        assert (
            sum(line.startswith("| :---") for line in out.splitlines()) == 5
        )  # the studies; the grid and its twin for both metrics
    else:
        assert out.startswith("% needs") and out.count(r"\begin{tabular}") == out.count(r"\end{tabular}") == 5


def test_json_holds_tiny_p_values_and_null_for_what_is_not_defined(report):
    points("demo.csv", [(i, 1 - (i + 5 * (i % 3)) / 1000) for i in range(200)])
    (row,) = json.loads(report("demo.csv", "--format", "json")[1])["studies"]
    assert 0 < row["p"] < 1e-50
    assert row["ceiling"] is None


@pytest.mark.parametrize("final", ["last", "best"])
def test_the_final_metric_is_that_of_the_epoch_asked_for(report, final):
    folder = study_folder(Path("m"), n=3, k=1)
    for combo, accuracy in enumerate((0.1, 0.2, 0.3)):
        write_run(folder, combo, 0, accuracy=0.9 - combo / 10, loss=1.0, best_test_accuracy=accuracy, space_size=3)
    _, out, _ = report(folder, "--final", final, "--format", "csv")
    accuracy = pd.read_csv(io.StringIO(out)).set_index("metric").loc["accuracy"]
    assert accuracy["agreement"] == pytest.approx(1 if final == "last" else -1)
    assert accuracy["final"] == final


def test_two_studies_are_compared_over_the_same_combinations(report):
    study_folder(Path("m"), A, retrain_fraction=0.1)
    study_folder(Path("m"), B, n=5, space_size=6, k=2)
    code, out, err = report("m", "--compare")
    assert code == 1 and "2 missing" in err[0]
    said = "A: retraining 10 % (a-11111111), B: retraining 100 % (b-22222222): 5 combinations in both"
    assert said in " ".join(out.split())
    compared = pd.read_csv("m/report/comparison.csv")
    assert compared["n"].tolist() == [5, 5]
    assert {"comparison_accuracy.pdf", "retraining_loss_11111111_22222222.png"} <= set(names("m/report"))


def test_comparison_keeps_the_order_that_was_given(report):
    worse = study_folder(Path("m"), A, wiring="released_code")
    better = study_folder(Path("m"), B)
    for combo in range(6):
        write_run(worse, combo, 0, accuracy=0.5 + combo / 10, loss=1.0, wiring="released_code")
    for one, other, sign in ((worse, better, -1), (better, worse, 1)):
        code, out, _ = report(one, other, "--compare", "--format", "csv", "--metric", "accuracy", "--out", f"o{sign}")
        (row,) = pd.read_csv(io.StringIO(out)).to_dict("records")
        assert code == 0 and (row["study_a"], row["study_b"]) == (one.name, other.name)
        assert row["difference"] * sign > 0


def test_two_files_of_points_are_compared_point_by_point(report):
    points("a.csv", [(i, 0.9 - i / 100) for i in range(12)])
    points("b.csv", [(i, 0.9 - (i + 3 * (i % 2)) / 100) for i in range(12)])
    code, out, err = report("a.csv", "b.csv", "--compare")
    assert (code, err) == (0, [])
    assert "A: a, B: b: 12 combinations in both" in out and "paired by their numbers" in " ".join(out.split())
    points("b.csv", [(i, 0.9) for i in range(11)])
    code, _, err = report("a.csv", "b.csv", "--compare", "--out", "other")
    assert (code, len(err)) == (2, 1) and "a has 12 and b 11" in err[0] and not Path("other").exists()


def test_a_comparison_of_one_study_is_one_sentence(report):
    code, _, err = report(study_folder(Path("m")), "--compare")
    assert (code, err) == (
        2,
        ["oraclecheck: --compare must get two studies, or the studies of two settings; got 1: demo-1a2b3c4d"],
    )


def test_two_settings_are_compared_over_the_dense_networks_that_both_have(report):
    for seed in range(4):
        for number, wiring in enumerate(["released_code", "correct"]):
            if (seed, wiring) != (3, "correct"):
                known = {"pretrain_seed": seed, "dense_hash": str(seed) * 64, "wiring": wiring}
                study_folder(Path("m"), f"s{number}-{seed}{number}111111", **known)
    given = [Path("m", f"s{number}-{seed}{number}111111") for number in (1, 0) for seed in range(3 + (not number))]
    code, out, err = report(*given, "--compare", "--out", "o")
    assert (code, err) == (0, [])
    said = " ".join(out.split())
    assert "A: wiring correct, B: wiring released_code: 3 dense networks in both" in said
    assert "dense networks 0 only in A, 1 only in B" in said
    assert [line.split()[:4] for line in out.splitlines() if re.match(r"mean +(accuracy|loss)", line)] == [
        ["mean", "accuracy", "3", "networks"],
        ["mean", "loss", "3", "networks"],
    ]
    compared = pd.read_csv("o/comparison.csv")
    assert compared["networks"].tolist() == [1, 1, 1, 3] * 2 and compared["study_a"][0] == "s1-01111111"
    assert {"comparison.md", "comparison_loss_21111111_20111111.png"} <= set(names("o"))


def test_a_comparison_of_three_settings_is_one_sentence(report):
    for seed, wiring in enumerate("xyz"):
        study_folder(Path("m"), f"s-{seed:08x}", wiring=wiring)
    code, _, err = report("m", "--compare")
    assert code == 2 and err[0].startswith(
        "oraclecheck: --compare must get two studies, or the studies of two settings; got 3 settings: s-00000000, s-"
    )


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_exported_runs_give_the_same_report(report, suffix):
    folder = study_folder(Path("m"))
    _, out, _ = report(folder, "--format", "csv", "--export", f"all.{suffix}")
    pd.testing.assert_frame_equal(load_runs(f"all.{suffix}"), load_runs(folder))
    assert report(f"all.{suffix}", "--format", "csv")[1] == out


def test_an_export_of_another_kind_is_refused_before_anything_is_read(report):
    code, _, err = report("nowhere", "--export", "all.xlsx")
    assert (code, err) == (2, ["oraclecheck: --export must end in .csv or .parquet; got all.xlsx"])


def test_missing_failed_and_corrupted_runs_are_counted_and_said(report):
    folder = study_folder(Path("m"))
    shutil.rmtree(folder / "0" / "0")
    (folder / "1" / "0" / "record.json").write_text("{broken")
    write_run(folder, 2, 0, accuracy=0.5, loss=1.0, status="failed", error="Traceback: disk full")
    code, out, err = report(folder)
    assert code == 1
    said = err[-1]
    assert said.startswith("oraclecheck: demo-1a2b3c4d: of 12 runs ") and "1 failed" in said
    counts = pd.read_csv(folder / "report" / "table.csv").iloc[0]
    assert (counts["missing"] + counts["unfinished"], counts["failed"], counts["n"]) == (2, 1, 6)
    assert "agreement if all were known" in out


def test_a_criterions_pick_that_failed_is_said(report):
    folder = study_folder(Path("m"))
    failed = {"picked_by": "l1", "status": "failed", "error": "no memory", "pruned_train_loss": 3.0}
    write_run(folder, None, 0, accuracy=0.9, loss=0.1, removed={"conv1": [3]}, **failed)
    code, _, err = report(folder)
    assert code == 1
    assert err == ["oraclecheck: demo-1a2b3c4d: 1 runs of combinations that a criterion picked have no outcome"]


def test_numbers_are_stored_unrounded(report):
    folder = study_folder(Path("m"))
    report(folder)
    stored = pd.read_csv(folder / "report" / "combinations.csv")
    assert [json.loads(removed) for removed in stored["removed"]] == [{"conv1": [combo]} for combo in range(6)]
    means = load_runs(folder).groupby("combo")["final_test_accuracy"].mean()
    assert stored["final_test_accuracy"].tolist() == pytest.approx(means.tolist(), abs=1e-12)
    assert json.loads(stored["repeats_final_test_loss"][0]) == pytest.approx(
        load_runs(folder)["final_test_loss"][:2].tolist()
    )


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([(1, 0.9)], "at least 2 combinations"),
        ([(1, 0.9), (2, 0.9), (3, 0.9)], "all metric values are equal"),
        ([(1, 0.9), (1, 0.8), (1, 0.7)], "all scores are equal"),
    ],
)
def test_what_has_no_tau_is_a_marked_row(report, rows, sentence):
    code, out, err = report(points("demo.csv", rows))
    assert (code, err) == (0, [])
    assert sentence in " ".join(out.split())
    assert len([line for line in out.splitlines() if line.startswith("tau / p") and line.split()[-1] == "–"]) == 1
    assert "scatter_accuracy.png" in names("report/demo")


def test_diverged_and_hopeless_studies_are_still_reported(report):
    folder = study_folder(Path("m"), n=3, k=1)
    for combo in range(3):
        write_run(folder, combo, 0, accuracy=0.1, loss=float("inf"), status="diverged", space_size=3)
    code, out, err = report(folder)
    assert (code, err) == (0, [])
    assert "agreement without diverged" in out
    for combo in range(3):
        write_run(folder, combo, 0, accuracy=0.1, loss=1.0, status="failed", error="x", space_size=3)
    code, _, err = report(folder)
    assert (code, len(err)) == (1, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "must have the column pruned_train_loss"),
        ("pruned_train_loss,final_test_accuracy\n", "at least one row"),
        ("pruned_train_loss,accuracy\n1,2\n", "at least one of final_test_accuracy"),
        ("pruned_train_loss,final_test_accuracy\n1,nan\n2,0.5\n", "final_test_accuracy must be a number"),
        ("pruned_train_loss,final_test_accuracy\n1,98.5\n", "divide percents by 100"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(report, content, message):
    Path("bad.csv").write_text(content)
    code, out, err = report("bad.csv")
    assert (code, out, len(err)) == (2, "", 1)
    assert err[0].startswith("oraclecheck: ") and message in err[0]
    assert not Path("report").exists()


def test_records_of_one_run_that_contradict_each_other_are_one_sentence(report):
    folder = study_folder(Path("m"))
    report(folder, "--export", "old.csv")
    write_run(folder, 2, 1, accuracy=0.123, loss=1.0, space_size=6)
    code, out, err = report(folder, "old.csv")
    assert (code, out, len(err)) == (2, "", 1)
    assert "combination 2, repeat 1 of demo-1a2b3c4d differs in" in err[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: SOURCE"),
        (["x", "--colour"], "unrecognized arguments: --colour"),
        (["x", "--metric", "f1"], "argument --metric: invalid choice: 'f1' (choose from 'accuracy', 'loss', 'both')"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(capsys, arguments, message):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.replace(
        "choose from accuracy, loss, both", "choose from 'accuracy', 'loss', 'both'"
    ) == (f"oraclecheck: {message}\n")


@pytest.mark.parametrize("source", ["empty", "nowhere", "nowhere.csv"])
def test_a_source_without_records_is_one_sentence_and_nothing_is_written(report, source):
    Path("empty").mkdir()
    code, out, err = report(source, "--out", "paper")
    assert (code, out, len(err)) == (2, "", 1)
    assert err[0].startswith("oraclecheck: ") and source in err[0]
    assert not Path("paper").exists()


def test_a_second_source_that_is_mistyped_leaves_no_half_of_a_report(report):
    folder = study_folder(Path("m"))
    assert report(folder, "mistyped")[0] == 2
    assert not (folder / "report").exists()


@pytest.mark.parametrize("out", ["taken", "taken/below"])
def test_an_out_that_is_a_file_is_found_before_anything_is_read(report, out):
    Path("taken").write_text("a file, not a folder")
    code, printed, err = report("nowhere", "--out", out)
    assert (code, printed, len(err)) == (2, "", 1)
    assert err[0].startswith(f"oraclecheck: --out must be a folder; got {out}, where ")


@pytest.mark.parametrize("column", ["layers", "nonsense"])
def test_columns_of_rows_are_checked_before_anything_is_read(report, column):
    code, printed, err = report("nowhere", "--by", "layers", column)
    rule = {
        "layers": "name every column once; got layers twice",
        "nonsense": "name columns that tell studies apart; got",
    }
    assert (code, printed, len(err)) == (2, "", 1)
    assert err[0].startswith(f"oraclecheck: --by must {rule[column]}")


def test_a_study_that_cannot_be_written_is_told_of_out_before_anything_is_printed(report, monkeypatch):
    folder = study_folder(Path("m"), n=3, k=1)
    # for root every folder can be written, so the system's answer is given here
    monkeypatch.setattr("os.access", lambda path, mode: not str(path).endswith(folder.name))
    code, printed, err = report(folder)
    assert (code, printed) == (2, "")
    assert err == [
        f"oraclecheck: the report's folder must be a folder that can be written; {folder.absolute()} cannot: name "
        "another folder with --out"
    ]
    assert report(folder, "--out", "paper")[0] == 0


@pytest.mark.parametrize("name", ["table.csv", "scatter_accuracy.pdf", "combinations.tex", "index.html"])
def test_a_full_disk_leaves_every_file_whole_or_absent(report, monkeypatch, name):
    folder = study_folder(Path("m"), n=3, k=1)
    sync = os.fsync

    def full(descriptor):
        """What a file system without a free block says when data are to reach it."""
        if f".{name}." in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda _, file, **options: file.write(b"drawn"))
    monkeypatch.setattr("os.fsync", full)
    code, _, err = report(folder)
    assert code == 2
    assert err == [
        f"oraclecheck: {folder / 'report' / name} could not be written: No space left on device; the report's files "
        "before it are whole: name another folder with --out"
    ]
    written = names(folder / "report") if (folder / "report").is_dir() else []
    assert name not in written and not [left for left in written if left.startswith(".")]
    assert all((folder / "report" / left).stat().st_size for left in written)


def test_a_study_with_a_stranger_among_its_records_misses_what_is_missing(report):
    """Nine of ten combinations are missing; one record that says "sampled" would hide that."""
    folder = study_folder(Path("m"), n=3, k=1, space_size=30)
    write_run(folder, 0, 0, accuracy=0.9, loss=0.1, space_size=30, order="sampled")
    code, _, err = report(folder)
    assert code == 1
    assert "record.order must be that of study.json, 'lexicographic'; got 'sampled'" in err[0]
    assert err[-1] == (
        "oraclecheck: demo-1a2b3c4d: of 30 runs 27 missing, 1 unfinished: the numbers do not include them"
    )


def test_the_printed_table_is_wide_enough_for_its_numbers(report):
    for i in range(12):
        study_folder(Path("m"), f"s-{i:08x}", n=4, k=1, layers=["a-layer-with-a-long-name"], wiring=f"wiring{i}")
    out = report("m", "--metric", "accuracy")[1]
    assert "…" not in out
    assert np.sum([line.count("1.00") > 0 for line in out.splitlines()]) == 12


def test_importing_the_report_is_cheap():
    heavy = "{'numpy', 'pandas', 'scipy', 'matplotlib', 'rich', 'torch'} & set(sys.modules)"
    code = f"import sys, oraclecheck.report.command; print({heavy} or 'none')"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "none\n"


def test_report_goes_to_wandb(report, rendered, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    folder = study_folder(Path("m"))
    code, _, err = report(folder, "--wandb", "me/pruning", "--metric", "loss")
    assert code == 0
    assert len(err) == 1 and err[0].startswith("oraclecheck: kept for `wandb sync ")
    assert len(list((folder / "report" / "wandb").glob("offline-run-*"))) == 1


def test_report_that_cannot_go_to_wandb_is_not_begun(report, monkeypatch):
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    folder = study_folder(Path("m"))
    code, out, err = report(folder, "--wandb", "pruning")
    assert (code, out, len(err)) == (2, "", 1)
    assert "does not answer" in err[0]
    assert not (folder / "report").exists()


@pytest.mark.parametrize("source", ["wandb:me/pruning", "wandb:pruning"])
def test_wandb_sources_that_cannot_be_read_are_one_sentence(report, monkeypatch, source):
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    code, out, err = report(source)
    assert (code, out, len(err)) == (2, "", 1)
    assert err[0].startswith("oraclecheck: wandb")
