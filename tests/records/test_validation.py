"""One check of what a run can have left, wherever its row was read: disk, CSV, Parquet, W&B."""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from oraclecheck.files import write_json
from oraclecheck.records.columns import to_text
from oraclecheck.records.frame import table_of_rows
from oraclecheck.records.record import from_json, to_json
from oraclecheck.records.runs_file import save_runs
from oraclecheck.records.store import is_done
from oraclecheck.records.table import load_runs
from oraclecheck.records.wandb.columns import rows_of, to_config, to_summary
from oraclecheck.study.folder import open_folder
from oraclecheck.study.identity import IDENTITY
from records.test_folder import STUDY, put
from records.test_record import EPOCHS, a_record
from records.test_run_sources import serve  # noqa: F401  a fixture

NONSENSE: dict[str, tuple[dict[str, Any], str]] = {
    "percent": ({"final_test_accuracy": 96.7}, "final_test_accuracy must be a fraction in [0, 1]; got 96.7"),
    "negative loss": ({"final_test_loss": -5.0}, "final_test_loss must be at least 0; got -5.0"),
    "negative score": ({"pruned_train_loss": -math.inf, "status": "diverged"}, "pruned_train_loss must be at least 0"),
    "infinite accuracy": ({"best_test_accuracy": math.inf, "status": "diverged"}, "best_test_accuracy must be a"),
    "negative repeat": ({"repeat": -1}, "repeat must be at least 0; got -1"),
    "repeat of 30 digits": ({"repeat": 10**30}, "repeat must fit into 64 bits; got about 10^30"),
    "seed of 30 digits": ({"seed": 10**30}, "seed must fit into 64 bits"),
    "space of 400 digits": ({"space_size": 10**400}, "space_size must be null or lie in 1..10^300-1; got about 10^400"),
    "combo of 101 digits": ({"combo": 10**100, "space_size": None}, "combo must be at least 0 and have at most 100"),
    "combo beyond its space": ({"space_size": 3}, "combo must lie below space_size, 3; got 3"),
    "one filter thrice": ({"removed": {"conv1": [0, 0, 0]}}, "removed must be distinct filters of 'conv1' in"),
    "filters out of order": ({"removed": {"conv1": [4, 0]}}, "removed must be distinct filters of 'conv1' in"),
    "negative filter": ({"removed": {"conv1": [-1, 4]}}, "removed must lie in 0..65535 for 'conv1'; got [-1, 4]"),
    "no list": ({"removed": {"conv1": 1}}, "removed must be a list of filters' indices for 'conv1'; got 1"),
    "nothing in a layer": ({"removed": {"conv1": None}}, "removed must be a list of filters' indices for 'conv1'"),
    "nested filters": ({"removed": {"conv1": [[1]]}}, "removed must be a list of filters' indices for 'conv1'; got [["),
    "true for a filter": ({"removed": {"conv1": [True]}}, "removed must be a list of filters' indices for 'conv1'"),
    "another layer": ({"removed": {"conv2": [0, 4]}}, "removed must name the layers, ['conv1']; got ['conv2']"),
    "ratio in words": ({"pruning_ratio": {"conv1": "x"}}, "pruning_ratio must lie in (0, 1) for 'conv1'; got 'x'"),
    "ratio of 1": ({"pruning_ratio": {"conv1": 1}}, "pruning_ratio must lie in (0, 1) for 'conv1'; got 1"),
    "numbered layers": ({"layers": [1]}, "layers must be distinct names; got [1]"),
    "seven recipes": ({"retrain_fraction": 7.0}, "retrain_fraction must lie in (0, 1]; got 7.0"),
    "no recipe": ({"retrain_fraction": 0.0}, "retrain_fraction must lie in (0, 1]; got 0.0"),
    "epoch 99 of 3": ({"best_epoch": 99}, "best_epoch must be one of the 3 epochs in history; got 99"),
    "epochs from 1": ({"history": EPOCHS[1:], "best_epoch": 0}, "history must be numbered from 0; got 1 for epoch 0"),
    "epoch without a loss": ({"history": [{"epoch": 0}], "best_epoch": 0}, "history must hold epoch, lr, train_loss"),
    "epochs that are numbers": ({"history": [1, 2, 3]}, "history must hold epoch, lr, train_loss"),
    "percent in an epoch": (
        {"history": [{**EPOCHS[0], "test_accuracy": 50.0}], "best_epoch": 0},
        "history must hold a fraction in [0, 1] as test_accuracy; got 50.0 for epoch 0",
    ),
    "infinite epoch of a run that is ok": (
        {"history": [*EPOCHS[:2], {**EPOCHS[2], "test_loss": math.inf}]},
        "history must hold a finite number of at least 0 as test_loss; got inf for epoch 2",
    ),
    "negative time": ({"duration_total": -1.0}, "duration_total must be at least 0; got -1.0"),
    "negative size": ({"pruned_params": -1}, "pruned_params must be at least 0; got -1"),
    "no thread": ({"threads": 0}, "threads must be at least 1; got 0"),
    "unknown order": ({"order": "random"}, "order must be lexicographic or sampled; got 'random'"),
    "unknown status": ({"status": "done"}, "status must be one of"),
    "nameless study": ({"data": ""}, "data must not be empty"),
}  # fmt: skip


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    return {**vars(a_record()), **changes}


def listed(name: str, created_at: int, config: dict[str, Any], summary: dict[str, Any]) -> SimpleNamespace:
    """A run as W&B's API gives it."""
    return SimpleNamespace(id=name, job_type="retrain", created_at=created_at, config=config, summary_metrics=summary)


@pytest.mark.parametrize("name", NONSENSE)
def test_record_that_no_run_can_have_left_is_refused(name):
    changes, reason = NONSENSE[name]
    with pytest.raises(ValueError) as refused:
        from_json({**to_json(a_record()), **changes})
    assert f"record.{reason}" in str(refused.value)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize(
    "name", [name for name in NONSENSE if name not in ("repeat of 30 digits", "seed of 30 digits", "nameless study")]
)
def test_row_of_a_file_that_no_run_can_have_left_is_refused(tmp_path, name, suffix):
    changes, reason = NONSENSE[name]
    rows = [vars(a_record(combo=2)), changed(changes)]
    save_runs(table_of_rows(rows), tmp_path / f"runs{suffix}")
    with pytest.raises(ValueError) as refused:
        load_runs(tmp_path / f"runs{suffix}")
    assert reason in str(refused.value) and "in row 2" in str(refused.value)


@pytest.mark.parametrize("name", NONSENSE)
def test_run_of_wandb_that_no_run_can_have_left_is_not_an_outcome(capsys, name):
    changes, reason = NONSENSE[name]
    row = changed(changes)
    config = {name: to_text(name, row[name]) for name in IDENTITY if row[name] is not None}
    config |= {name: None for name in IDENTITY if row[name] is None}
    summary = {name: to_text(name, value) for name, value in row.items() if name not in IDENTITY and value is not None}
    others = [a_record(combo=combo) for combo in (1, 2)]
    runs = [listed(f"run{i}", i, to_config(vars(one)), to_summary(one)) for i, one in enumerate(others)]
    rows = rows_of([*runs, listed("bad", 9, config, summary)])
    assert [row["status"] for row in rows] in (["ok", "ok"], ["ok", "ok", "unfinished"])
    said = capsys.readouterr().err
    assert "run bad is" in said and reason.partition(" must ")[0] in said
    table_of_rows(rows)


def study(tmp_path: Path) -> Path:
    folder = tmp_path / STUDY.name
    open_folder(folder, STUDY, {}, [])
    return folder


SIBLINGS = {
    "data": "mnist",
    "model": "vgg",
    "wiring": "released_code",
    "pruning_ratio": {"conv1": 0.3},
    "order": "sampled",
    "space_size": 46,
    "pipeline": "iterative",
    "engine": "lanes",
    "retrain_fraction": 0.5,
    "dense_hash": "2" * 64,
    "removed": {"conv1": [1]},
}


@pytest.mark.parametrize("column", [*SIBLINGS, "study_hash"])
def test_record_that_is_not_of_its_study_is_marked_and_run_again(tmp_path, capsys, column):
    folder = study(tmp_path)
    put(folder, 1)
    path = put(folder, 0, **{column: ({**SIBLINGS, "study_hash": "3" * 64})[column]})
    bad, good = load_runs(folder).to_dict("records")
    assert (bad["status"], good["status"], bad["combo"]) == ("unfinished", "ok", 0)
    assert bad["data"] == "d" and bad["order"] == "lexicographic" and bad["space_size"] == 45
    assert f"must be a record of its study: record.{column} must " in bad["error"]
    assert capsys.readouterr().err == f"oraclecheck: not a record: {bad['error']}\n"
    if column == "study_hash":
        with pytest.raises(ValueError, match="belongs to study 33333333"):
            is_done(path, STUDY.hash)
    else:
        assert not is_done(path, STUDY.hash)


@pytest.mark.parametrize("filters", [[0, 10], [0, 1, 2]])
def test_filters_that_the_layer_has_not_are_refused(tmp_path, filters):
    folder = study(tmp_path)
    put(folder, 0, removed={"conv1": filters})
    (row,) = load_runs(folder).to_dict("records")
    assert row["status"] == "unfinished" and "must hold 2 of the 10 filters of conv1" in row["error"]


@pytest.mark.parametrize("column", SIBLINGS)
def test_rows_of_one_study_agree(tmp_path, capsys, column):
    """W&B's odd one out is marked, with what its siblings say it is, so that runs are still found missing."""
    odd = {"combo": 0, column: SIBLINGS[column]}
    if column == "removed":
        odd["pruning_ratio"] = {"conv1": 0.2}
    records = [a_record(**odd), a_record(combo=1), a_record(combo=2)]
    save_runs(table_of_rows([vars(record) for record in records]), tmp_path / "runs.csv")
    with pytest.raises(ValueError, match=f"runs.csv: {column} must .* in row 1$"):
        load_runs(tmp_path / "runs.csv")
    runs = [listed(f"run{i}", i, to_config(vars(one)), to_summary(one)) for i, one in enumerate(records)]
    rows = rows_of(runs)
    assert [row["status"] for row in rows] == ["unfinished", "ok", "ok"]
    assert (
        rows[0]["order"] == "lexicographic" and rows[0]["data"] == "d" and f"record.{column} must" in rows[0]["error"]
    )
    assert "run run0 is not a valid record" in capsys.readouterr().err


def test_sources_that_call_two_studies_by_one_name_are_refused(tmp_path):
    for name, changes in (("a", {"combo": 1}), ("b", {"combo": 2, "data": "mnist"})):
        save_runs(table_of_rows([vars(a_record(**changes))]), tmp_path / f"{name}.csv")
    with pytest.raises(ValueError, match=r"sources must agree on what s-00000000 is; data must be .*'d'; got 'mnist'"):
        load_runs(tmp_path / "a.csv", tmp_path / "b.csv")


def test_more_points_than_combinations_are_refused(tmp_path):
    rows = "".join(f"{i},0.5,3\n" for i in range(15))
    (tmp_path / "points.csv").write_text(f"pruned_train_loss,final_test_accuracy,space_size\n{rows}")
    with pytest.raises(ValueError, match="combo must lie below space_size, 3; got 3 in row 4"):
        load_runs(tmp_path / "points.csv")


def test_a_diverged_run_may_have_lost_its_numbers():
    lost = [{**EPOCHS[0], "train_loss": math.nan, "test_loss": math.inf}]
    numbers = {"final_test_loss": math.inf, "final_train_loss": math.nan, "last5_test_loss_mean": math.nan}
    assert a_record(status="diverged", history=lost, best_epoch=0, **numbers).status == "diverged"
    with pytest.raises(ValueError, match="last5_test_loss_mean must be a finite number unless status is diverged"):
        a_record(last5_test_loss_mean=math.nan)


CORRUPT: dict[str, Callable[[dict[str, Any]], Any]] = {
    "empty": lambda _: "",
    "a list": lambda _: [],
    "truncated": lambda content: json.dumps(content)[:-20],
    "nested too deep": lambda _: "[" * 100_000,
    "without a definition": lambda content: {key: content[key] for key in content if key != "definition"},
    "without an identity": lambda content: {key: content[key] for key in content if key != "identity"},
    "without a hash": lambda content: with_identity(content, study_hash=...),
    "without a pretraining seed": lambda content: with_identity(content, pretrain_seed=...),
    "without a schema": lambda content: with_identity(content, schema=...),
    "a hash that is a number": lambda content: with_identity(content, study_hash=5),
    "a data set that is a list": lambda content: with_identity(content, data=["d"]),
    "an identity in words": lambda content: {**content, "identity": "x"},
    "another model than defined": lambda content: with_identity(content, model="vgg"),
    "other layers than defined": lambda content: with_identity(content, layers=["conv2"]),
    "other layers with their ratios": lambda content: with_identity(
        content, layers=["conv2"], pruning_ratio={"conv2": 0.2}
    ),
    "another size than defined": lambda content: with_identity(content, space_size=46),
    "another network than defined": lambda content: with_identity(content, dense_hash="2" * 64),
    "a definition in words": lambda content: {**content, "definition": "x"},
    "layers in words": lambda content: with_definition(content, layers={"conv1": ["10", "2"]}),
    "layers as a list": lambda content: with_definition(content, layers=[["conv1", 10, 2]]),
    "a layer without filters": lambda content: with_definition(content, layers={"conv1": [0, 0]}),
    "a billion filters": lambda content: with_definition(content, layers={"conv1": [10**9, 5 * 10**8]}),
    "another layer": lambda content: with_definition(content, layers={"conv2": [10, 2]}),
    "an unknown order": lambda content: with_definition(content, order="random"),
    "an order seed in words": lambda content: with_definition(content, order_seed="x"),
    "a seed in words": lambda content: with_definition(content, seed="x"),
    "no ratio": lambda content: with_definition(content, pruning_ratio={}),
    "a ratio above 1": lambda content: with_definition(content, pruning_ratio={"conv1": 2}),
}


def with_definition(content: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**content, "definition": {**content["definition"], **changes}}


def with_identity(content: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Other columns of the study; those that become an ellipsis are left out."""
    identity = {**content["identity"], **changes}
    return {**content, "identity": {name: value for name, value in identity.items() if value is not ...}}


@pytest.mark.parametrize("how", CORRUPT)
def test_corrupt_study_file_is_refused_in_one_sentence(tmp_path, how):
    folder = study(tmp_path)
    put(folder, 0)
    content = CORRUPT[how](json.loads((folder / "study.json").read_text()))
    (folder / "study.json").write_text(content if isinstance(content, str) else json.dumps(content))
    for source in (folder, tmp_path):
        with pytest.raises(ValueError) as refused:
            load_runs(source)
        assert str(refused.value).startswith(f"{folder / 'study.json'} must be the file that a sweep wrote: ")
        assert str(refused.value).endswith("; once it is deleted, the sweep's command writes it anew")


def test_study_without_its_file_or_in_anothers_folder_is_not_passed_over(tmp_path):
    folder = study(tmp_path)
    put(folder, 0)
    content = (folder / "study.json").read_bytes()
    (folder / "study.json").unlink()
    for source in (folder, tmp_path):
        with pytest.raises(ValueError, match=r"study\.json must be there beside its records"):
            load_runs(source)
    (folder / "study.json").write_bytes(content)
    folder.rename(tmp_path / "mine")
    with pytest.raises(ValueError, match=f"it is of {STUDY.name}, not mine: call the folder what it was called"):
        load_runs(tmp_path)


def test_study_is_read_from_within_its_folder(tmp_path, monkeypatch):
    put(study(tmp_path), 0)
    monkeypatch.chdir(tmp_path / STUDY.name)
    assert load_runs(".")["status"].tolist() == ["ok"]


@pytest.mark.parametrize("name", ["study.json", "0/0/record.json", ".cache/runs-{}.parquet", "l1/removed.json"])
def test_a_pipe_is_not_waited_for(tmp_path, monkeypatch, name):
    monkeypatch.setattr("oraclecheck.records.folder.WORTH_CACHING", 1)
    folder = study(tmp_path)
    put(folder, 0), put(folder, 1)
    (folder / "l1" / "0").mkdir(parents=True)
    write_json(folder / "l1" / "removed.json", {"conv1": [0, 1]})
    load_runs(folder)
    path = next(folder.glob(name.format("*")))
    path.unlink()
    os.mkfifo(path)
    if name == "study.json":
        with pytest.raises(ValueError, match="it is no regular file"):
            load_runs(folder)
    else:
        assert load_runs(folder)["status"].tolist()[1] == "ok"


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_pipe_of_runs_is_not_waited_for(tmp_path, suffix):
    os.mkfifo(tmp_path / f"runs.{suffix}")
    with pytest.raises(ValueError, match=f"runs.{suffix} must be a {suffix} file: it is no regular file"):
        load_runs(tmp_path / f"runs.{suffix}")


def test_folders_with_names_of_a_hundred_digits_are_said(tmp_path, capsys):
    folder = study(tmp_path)
    put(folder, 0)
    for place in ("9" * 100 + "/0", "0/" + "9" * 100):
        (folder / place).mkdir(parents=True)
    assert len(load_runs(folder)) == 1
    said = capsys.readouterr().err
    assert "combo must lie in 0..44" in said and "repeat must fit into 64 bits" in said


@pytest.mark.parametrize(
    "choice",
    [
        "[]",
        "[[0, 1]]",
        "null",
        '{"conv1": 1}',
        '{"conv1": "01"}',
        '{"conv1": null}',
        '{"conv1": [1, 1]}',
        '{"conv1": [0, 99]}',
        "[" * 10**5,
    ],
)
def test_corrupt_choice_of_a_criterion_is_said(tmp_path, capsys, choice):
    folder = study(tmp_path)
    put(folder, 0)
    (folder / "l1" / "0").mkdir(parents=True)
    (folder / "l1" / "removed.json").write_text(choice)
    assert len(load_runs(folder)) == 1
    assert f"{folder / 'l1' / '0'} must be a run of its study: " in capsys.readouterr().err
