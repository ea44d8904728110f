"""A study's folder as a table: what is not a valid record is reported and marked, and a large study is cached."""

import json
import os
from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal
from quick import QUICK

from oraclecheck.files import write_json
from oraclecheck.pruning.combination import LayerChoice
from oraclecheck.pruning.space import CombinationSpace
from oraclecheck.records import folder
from oraclecheck.records.claims import Claims
from oraclecheck.records.record import to_json
from oraclecheck.records.store import is_done, record_path
from oraclecheck.records.table import load_runs
from oraclecheck.records.unfinished import keep_choice
from oraclecheck.seeds import run_seed
from oraclecheck.study.folder import open_folder
from oraclecheck.study.identity import IDENTITY, SCHEMA, Study
from records.test_record import EPOCHS, a_record

SPACE = CombinationSpace((LayerChoice("conv1", 10, 2),))
FIXED = {"model": "m", "pruning_ratio": {"conv1": 0.2}, "wiring": "correct", "order": "lexicographic"}
FIXED |= {"pipeline": "one_shot", "engine": "lightning", "retrain_fraction": 1.0, "dense_hash": "1" * 64}
STUDY = Study("s", {**FIXED, "layers": {"conv1": [10, 2]}, "order_seed": None, "seed": 0}, SPACE, "d", 0)


@pytest.fixture
def study(tmp_path) -> Path:
    path = tmp_path / STUDY.name
    open_folder(path, STUDY, {}, [])
    return path


def put(study: Path, combo: int, repeat: int = 0, **changes) -> Path:
    path = record_path(study, combo, repeat)
    write_json(path, to_json(a_record(**{**STUDY.run(combo, SPACE.unrank(combo), repeat), **changes})))
    return path


def test_run_that_was_begun_is_unfinished_until_its_record_is_there(study):
    put(study, 0)
    path = record_path(study, 7, 1)
    for claim in Claims([path], STUDY.hash, before=()).first():
        claim.release()
    done, begun = load_runs(study).to_dict("records")
    assert done["status"] == "ok" and begun["status"] == "unfinished" and begun["error"] is None
    assert not is_done(path, STUDY.hash)
    put(study, 7, 1)
    finished = load_runs(study).to_dict("records")[1]
    assert finished["status"] == "ok"
    assert {name: begun[name] for name in IDENTITY} == {name: finished[name] for name in IDENTITY}


def test_unfinished_run_of_a_criterions_choice_knows_its_filters(study):
    keep_choice(study, "l1", {"conv1": (2, 5)})
    record_path(study, "l1", 0).parent.mkdir(parents=True)
    (row,) = load_runs(study).to_dict("records")
    assert (row["picked_by"], row["combo"], row["removed"]) == ("l1", None, {"conv1": [2, 5]})
    assert row["status"] == "unfinished" and row["seed"] == run_seed(0, {"conv1": (2, 5)}, 0, "retrain")


def test_unfinished_runs_of_a_real_sweep_are_as_its_records_say(command):
    """Without their records the runs are rebuilt from the study alone, and the same command completes them."""
    assert command(*QUICK, 'combo="3,l1"', "logger=none")[0] == 0
    before = load_runs("multirun")
    for path in Path("multirun").glob("*/*/*/record.json"):
        path.unlink()
    rebuilt = load_runs("multirun")
    assert rebuilt["status"].tolist() == ["unfinished", "unfinished"]
    assert_frame_equal(rebuilt[[*IDENTITY]], before[[*IDENTITY]])
    assert command(*QUICK, 'combo="3,l1"', "logger=none")[0] == 0
    assert load_runs("multirun")["status"].tolist() == ["ok", "ok"]


BROKEN = {
    "unreadable": lambda path: path.write_bytes(b"{"),
    "binary": lambda path: path.write_bytes(b"\xff\xfe"),
    "newer": lambda path: path.write_text(path.read_text().replace(f'"schema": {SCHEMA}', f'"schema": {SCHEMA + 1}')),
    "another study's": lambda path: path.write_text(path.read_text().replace(STUDY.name, "another")),
    "another run's": lambda path: path.write_text(path.read_text().replace('"repeat": 0', '"repeat": 1')),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("how", BROKEN)
def test_what_is_no_record_is_said_and_marked(study, capsys, how):
    put(study, 0)
    BROKEN[how](put(study, 3))
    good, bad = load_runs(study).to_dict("records")
    assert good["status"] == "ok" and bad["status"] == "unfinished" and (bad["combo"], bad["repeat"]) == (3, 0)
    assert "3/0/record.json" in bad["error"] and bad["final_test_loss"] != bad["final_test_loss"]
    assert capsys.readouterr().err == f"oraclecheck: not a record: {bad['error']}\n"


def test_record_in_a_place_that_no_run_has_is_said(study, capsys):
    put(study, 0)
    for place in ("99/0", "x/0", "3/x"):
        (study / place).mkdir(parents=True)
        (study / place / "record.json").write_bytes(put(study, 0).read_bytes())
    assert len(load_runs(study)) == 1
    said = capsys.readouterr().err
    assert all(
        f"{place}/record.json" in said or f"{place} must be a run of its study" in said
        for place in ("99/0", "x/0", "3/x")
    )


def test_folders_that_are_no_runs_are_left_alone(study, capsys):
    put(study, 0)
    for place in ("report/figures", "wandb/offline-run-1", ".cache/0", "notes"):
        (study / place).mkdir(parents=True)
    assert len(load_runs(study)) == 1 and capsys.readouterr().err == ""


@pytest.fixture
def reads(monkeypatch) -> list[Path]:
    """Records that were read; every study is worth caching."""
    monkeypatch.setattr(folder, "WORTH_CACHING", 1)
    read, found = folder.study_rows, []
    monkeypatch.setattr(folder, "study_rows", lambda study, begun: (found.append(study), read(study, begun))[1])
    return found


def test_cache_gives_the_same_table_without_reading_records(study, reads):
    entry = {**EPOCHS[0], "test_loss": float("nan")}
    put(study, 0, status="diverged", final_test_loss=float("inf"), best_epoch=0, history=[entry])
    record_path(study, 5, 0).parent.mkdir(parents=True)
    first = load_runs(study)
    assert_frame_equal(load_runs(study), first)
    assert len(reads) == 1 and len(list(study.glob(".cache/*"))) == 1


def change(path: Path) -> None:
    """Another value of the same length, at the same time as far as the clock tells."""
    stat = path.stat()
    write_json(path, to_json(a_record(**{**json.loads(path.read_text()), "final_test_loss": 0.7})))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize(
    "happens",
    [
        lambda study: put(study, 3),
        lambda study: (study / "0/0/record.json").unlink(),
        lambda study: change(study / "0/0/record.json"),
        lambda study: os.utime(study / "0/0/record.json", ns=(1, 1)),
        lambda study: record_path(study, 4, 0).parent.mkdir(parents=True),
        lambda study: (study / "study.json").write_text((study / "study.json").read_text() + " "),
    ],
)
def test_cache_follows_the_folder(study, reads, happens):
    put(study, 0), put(study, 1)
    load_runs(study)
    happens(study)
    changed = load_runs(study)
    assert len(reads) == 2 and len(list(study.glob(".cache/*"))) == 1
    for cached in study.glob(".cache/*"):
        cached.unlink()
    assert_frame_equal(load_runs(study), changed)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"\0" * 100, None])
def test_broken_cache_is_not_trusted(study, reads, content):
    put(study, 0)
    expected = load_runs(study)
    (path,) = study.glob(".cache/*")
    flipped = bytearray(path.read_bytes())
    flipped[len(flipped) // 3] ^= 1
    path.write_bytes(flipped if content is None else content)
    assert_frame_equal(load_runs(study), expected)
    assert len(reads) == 2


def test_folder_that_cannot_be_written_has_no_cache(study, reads, monkeypatch):
    def refuse(*_):
        raise OSError("read-only file system")

    monkeypatch.setattr(folder, "write_atomically", refuse)
    put(study, 0)
    assert len(load_runs(study)) == len(load_runs(study)) == 1 and len(reads) == 2


def test_study_with_complaints_is_not_cached(study, reads, capsys):
    put(study, 3).write_text("{")
    for _ in range(2):
        assert len(load_runs(study)) == 1 and "not a record" in capsys.readouterr().err
    assert not (study / ".cache").exists()
