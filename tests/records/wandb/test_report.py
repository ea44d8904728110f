"""A report on W&B: what W&B's own client keeps of it, and one sentence where W&B is not there."""

import time
from pathlib import Path
from typing import Any

import pytest
from graphql import Server
from wandb_logs import events, inspected

from oraclecheck.records.wandb.columns import JOB_TYPE as SWEEPS
from oraclecheck.records.wandb.report import JOB_TYPE, publish, usable_project

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8ffff3f0005fe02fe0def46b8"
    "0000000049454e44ae426082"
)
ROWS = [{"study": "s", "p": 1e-20, "ceiling": None, "studies": ["a", "b"]}]
SCALARS = {"s/last_accuracy/tau": -0.25, "s/last_accuracy/n": 45}


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "scatter.png").write_bytes(PIXEL)
    (tmp_path / "report" / "table.csv").write_text("study\ns\n")
    return sorted((tmp_path / "report").iterdir())


def logged(folder: Path) -> tuple[str, dict[str, Any]]:
    """Job type and summary in the run's log, once W&B's service has written it: `finish` may return before."""
    (log,) = folder.glob("*.wandb")
    for _ in range(300):
        if {"scatter", *SCALARS} <= (summary := inspected(log).get("summary", {})).keys():
            break
        time.sleep(0.1)
    return next(entry["run"]["job_type"] for entry in events(log) if entry["type"] == "run"), summary


def test_report_is_one_run_with_its_tables_and_images(tmp_path, monkeypatch, files):
    monkeypatch.setenv("WANDB_MODE", "offline")
    project = usable_project("me/pruning")
    assert (project.entity, project.project, project.mode) == ("me", "pruning", "offline")
    where = publish(project, "report of s", tmp_path / "report", tables={"studies": ROWS}, scalars=SCALARS, files=files)
    job_type, summary = logged(Path(where))
    assert job_type == JOB_TYPE != SWEEPS
    assert summary["studies"]["_type"] == "table-file"
    assert (summary["studies"]["nrows"], summary["studies"]["ncols"]) == (1, 4)
    assert summary["scatter"]["_type"] == "image-file"
    assert {name: summary[name] for name in SCALARS} == SCALARS


@pytest.mark.parametrize("path", ["", "a/b/c", "a/", "/b"])
def test_project_that_is_none_is_one_sentence(path):
    with pytest.raises(ValueError, match="--wandb must be PROJECT or ENTITY/PROJECT; got"):
        usable_project(path)


def test_server_that_does_not_answer_is_one_sentence(monkeypatch):
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    with pytest.raises(
        ValueError, match=r"--wandb cannot be used: http://127.0.0.1:9 does not answer .*WANDB_MODE=offline"
    ):
        usable_project("pruning")


def test_missing_api_key_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with Server({}) as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        with pytest.raises(ValueError, match="--wandb cannot be used: there is no API key"):
            usable_project("pruning")


def test_server_that_fails_half_way_is_one_sentence(monkeypatch, tmp_path, files):
    monkeypatch.setenv("WANDB_MODE", "offline")
    project = usable_project("pruning")

    def fail(**_: object) -> None:
        raise ConnectionResetError("connection lost\nand more")

    monkeypatch.setattr("wandb.init", fail)
    with pytest.raises(ValueError, match=r"^the report is written, but W&B did not take it: connection lost$"):
        publish(project, "report of s", tmp_path, tables={}, scalars={}, files=files)
