"""`python -m oraclecheck.status`: what was asked for, done and missing, from the folder alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from quick import QUICK

from oraclecheck import experiment
from oraclecheck.leases import Lease
from oraclecheck.status import main

SWEEP = ("-m", *QUICK, "logger=none", "combo=range(3)", "repeat=0,1")


def status(capsys, *arguments):
    code = main(["--json", *arguments])
    return code, json.loads(capsys.readouterr().out)


def test_study_remembers_what_was_asked_of_it(command, capsys):
    assert command(*SWEEP)[0] == 0
    code, (row,) = status(capsys)
    assert code == 0 and (row["asked"], row["done"], row["missing"], row["running"]) == (6, 6, 0, [])
    for path in list(Path("multirun").glob("lenet*/1/*/record.json")):
        path.unlink()
    code, (row,) = status(capsys)
    assert code == 1 and (row["asked"], row["done"], row["missing"]) == (6, 4, 2)
    assert command(*QUICK, "logger=none", 'combo="1,7"')[0] == 0  # asks for one of those and for another one
    assert status(capsys)[1][0] | {"study": ""} == row | {"study": "", "asked": 7, "done": 6, "missing": 1}
    (study,) = Path("multirun").glob("lenet*/")
    assert status(capsys, str(study))[1] == status(capsys)[1]
    assert main([]) == 1
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split()[:7] == ["study", "asked", "done", "running", "failed", "diverged", "missing"]
    assert shown[1].split()[1:7] == ["7", "6", "0", "0", "0", "1"]


def test_error_of_the_last_failure_is_shown(command, capsys, monkeypatch):
    def fail(*_):
        raise RuntimeError("out of luck")

    monkeypatch.setattr(experiment, "pipeline_of", lambda setting: fail)
    assert command(*SWEEP)[0] == 1
    code, (row,) = status(capsys)
    assert code == 1 and row["failed"] == 6 and row["last_error"] == "RuntimeError: out of luck"


def test_study_that_waits_for_its_dense_network_is_shown(command, capsys, monkeypatch):
    seen = {}
    train = experiment.dense_checkpoint

    def look_and_train(setting):
        lease = Lease(next(Path("multirun").glob(".asked/*")).parent.parent / "dense" / f".{_dense()}.claim")
        assert lease.take()
        seen["row"] = status(capsys)
        lease.release()
        return train(setting)

    def _dense():
        return json.loads(next(Path("multirun/.asked").iterdir()).read_text())["dense"]

    monkeypatch.setattr(experiment, "dense_checkpoint", look_and_train)
    assert command(*SWEEP)[0] == 0
    code, (row,) = seen["row"]
    assert code == 1 and row["study"] == "lenet5_mini-digits-conv1_0.5"
    assert (row["asked"], row["missing"]) == (6, 6)
    assert row["waits_for"].startswith("lenet5_mini-digits-seed") and row["waits_for"].endswith(".pt")
    assert row["dense_network_trained_by"].rpartition(":")[2].isdigit()
    assert not Path("multirun/.asked").exists()


def test_studies_that_nobody_has_begun_are_told_apart_by_their_dense_networks(command, capsys):
    assert command(*SWEEP)[0] == 0
    (study,) = Path("multirun").glob("lenet5*/study.json")
    for path in study.parent.glob("asked-*.json"):
        for seed in (0, 1):
            told = {**json.loads(path.read_text()), "dense": f"seed{seed}.pt"}
            waiting = Path("multirun/.asked") / f"0a1b-{path.stem}-{seed}.json"
            waiting.parent.mkdir(exist_ok=True)
            waiting.write_text(json.dumps(told))
    code, (begun, *rows) = status(capsys)
    assert code == 1 and begun["waits_for"] is None
    assert [(row["asked"], row["waits_for"]) for row in rows] == [(6, "seed0.pt"), (6, "seed1.pt")]


@pytest.mark.parametrize("arguments", [["absent"], []])
def test_folder_without_studies_is_one_sentence(capsys, arguments):
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("oraclecheck: FOLDER must hold studies; there are none in ")


@pytest.mark.parametrize(
    "note", ["{", "[]", '{"label": 1}', '{"label": "a", "dense": "b", "combo": "x-", "repeat": "0"}']
)
def test_note_that_is_none_of_ours_is_left_out(command, capsys, note):
    assert command(*QUICK, "logger=none")[0] == 0
    (study,) = Path("multirun").glob("lenet*/")
    (study / "asked-0123.json").write_text(note)
    assert status(capsys)[1][0]["asked"] == 1


def test_status_needs_no_torch(tmp_path):
    code = "import sys, oraclecheck.status; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path).returncode == 0
