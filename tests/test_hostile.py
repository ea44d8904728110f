"""Input that means harm: names that lead elsewhere, pickles that would run, and a key that must stay secret."""

import json
import os
import pickle
import time
from pathlib import Path

import pytest
import torch
from few_digits import FewDigits
from quick import QUICK

from oraclecheck import status
from oraclecheck.data import loading
from oraclecheck.engines import lightning
from oraclecheck.pipelines import dense
from oraclecheck.records import asked
from oraclecheck.report import command as report
from oraclecheck.report.homes import homes

KEY = "f00dfeed" * 5  # as long as W&B's are


class Harm:
    """Makes a folder when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("harm",)


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["..", ".", "...", "-", "a.."])
def test_names_of_dots_stay_in_their_folder(command, tmp_path, name):
    code, _, err = command(*QUICK, "logger=none", f"study={name}", f"model.name={name}", f"data.name={name}")
    assert code == 0, err
    assert [path.name for path in tmp_path.iterdir()] == ["multirun"]
    assert len(list(Path("multirun").glob(f"{name}-*/0/0/record.json"))) == 1


@pytest.mark.parametrize("key", ["study", "model.name", "data.name"])
@pytest.mark.parametrize("name", ["../out", "/tmp/out", "a/b", "..\\out", "a\nb", "~"])
def test_names_that_lead_elsewhere_are_refused(command, tmp_path, key, name):
    code, _, err = command(*QUICK, f"{key}={json.dumps(name)}", "combo=1")
    assert code == 2 and f"{key} must be letters, digits" in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["../x", "/x", "..", "l1/../../x"])
def test_criterion_that_leads_elsewhere_is_refused(command, tmp_path, name):
    code, _, err = command(*QUICK, f"combo='{name}'")
    assert code == 2 and "combo must be an index, a set" in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["..", "../elsewhere", "{here}/elsewhere", "a/../../elsewhere"])
def test_report_of_a_study_whose_name_leads_elsewhere_stays_in_its_folder(tmp_path, name):
    name = name.format(here=tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "multirun" / "a").mkdir(parents=True)
    home, own = homes(["multirun"], None, [name, "other"])
    inside = tmp_path / "multirun"
    here = tmp_path / "report"
    for folder in (home, *own.values()):
        whole = Path(os.path.normpath(tmp_path / folder))
        assert whole == here or inside in whole.parents or here in whole.parents


def test_notes_that_lead_elsewhere_or_ask_for_too_much_are_passed_over(tmp_path, capsys):
    pending = Path("multirun") / asked.PENDING
    pending.mkdir(parents=True)
    note = {"label": "mine", "dense": "d.pt", "combo": "0-2", "repeat": "0"}
    worse = [{"combo": "0-999999", "repeat": "0-999999"}, {"dense": "../../etc/passwd"}, {"label": "\x1b]0;x\a"}]
    for number, change in enumerate([{}, *worse]):
        (pending / f"{number:016}-asked-0.json").write_text(json.dumps({**note, **change}))
    start = time.monotonic()
    assert status.main(["--json"]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert [row["asked"] for row in rows] == [3, 0] and {row["study"] for row in rows} == {"mine"}
    assert time.monotonic() - start < 10 and not (tmp_path / "etc").exists()


@pytest.mark.slow
def test_nothing_that_a_sweep_or_a_report_reads_is_unpickled(command, tmp_path):
    sweep = (*QUICK, "logger=none", 'combo="0,1"')
    assert command(*sweep)[0] == 0
    study = next(Path("multirun").glob("lenet*"))
    for path in [*sorted(files(Path("multirun"))), study / ".cache" / "runs-0.parquet"]:
        path.parent.mkdir(exist_ok=True)
        before = path.read_bytes() if path.exists() else b""
        path.write_bytes(_zipped(Harm()) if path.suffix == ".pt" else pickle.dumps(Harm()))
        code, _, err = command(*sweep)
        assert code in (0, 1, 2) and "Traceback" not in err
        status.main([])
        if study in path.parents:
            report.main([str(study), "--out", "report"])
        assert not Path("harm").exists(), path
        path.write_bytes(before)
    for name in ("mine.pt", "runs.csv", "runs.parquet"):
        Path(name).write_bytes(pickle.dumps(Harm()))
    assert command(*sweep, "pretrain.checkpoint=mine.pt")[0] == 2
    assert {report.main([name]) for name in ("runs.csv", "runs.parquet")} == {2}
    assert not Path("harm").exists()


def _zipped(value) -> bytes:
    torch.save(value, "it.pt")
    return Path("it.pt").read_bytes()


@pytest.mark.parametrize("mode", ["offline", "online"])
def test_key_of_wandb_is_in_nothing_that_a_sweep_writes(command, tmp_path, monkeypatch, mode):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # nobody answers
    retrain = lightning.retrain

    def fail_once(runs, *arguments):
        if not list(tmp_path.rglob("record.json")):
            raise RuntimeError("out of luck")
        return retrain(runs, *arguments)

    monkeypatch.setattr(lightning, "retrain", fail_once)
    code, out, err = command("-m", *QUICK, 'combo="0,1"', f"logger.mode={mode}")
    assert code == 1 and "1 failed" in err
    written = files(tmp_path)
    assert any("wandb" in path.parts for path in written)  # what the mirror leaves
    assert not [path for path in written if KEY.encode() in path.read_bytes()]
    assert KEY not in out + err
    secret = (f"+logger.api_key={KEY}", "logger.project='${oc.env:WANDB_API_KEY}'", "logger.name=none")
    assert command("-m", *QUICK, "combo=2", "paths.out=other", *secret)[0] == 0
    assert not [path for path in files(tmp_path) if KEY.encode() in path.read_bytes()]


@pytest.mark.parametrize("kind", ["pipe", "folder", "link to nothing"])
@pytest.mark.parametrize(("place", "said"), [("dense/*.pt", "the dense network"), (".cache/*.pt", "paths.cache must")])
def test_what_is_no_file_in_the_place_of_one_is_a_sentence_before_anything_is_computed(
    command, monkeypatch, kind, place, said
):
    sweep = (*QUICK, "logger=none", "paths.cache=multirun/.cache")
    loading.identity.cache_clear()  # of other tests
    assert command(*sweep)[0] == 0
    (path,) = Path("multirun").glob(place)
    path.unlink()
    {"pipe": os.mkfifo, "folder": os.mkdir, "link to nothing": lambda path: os.symlink("nowhere", path)}[kind](path)
    loading.identity.cache_clear()
    monkeypatch.setattr(dense, "train", None)
    monkeypatch.setattr(FewDigits, "read", None)
    code, _, err = command(*sweep, "combo=1")
    assert code == 2 and f"{path.name} is no file: remove it" in err and said in err
