"""The same runs from disk and from W&B's server: one table. What the mirror left is read by W&B's own inspector, the
server is asked by W&B's own client."""

import math
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import Server, node
from pandas.testing import assert_frame_equal
from quick import QUICK
from wandb_logs import finished_runs

from oraclecheck.cli import main
from oraclecheck.pruning.combination import LayerChoice
from oraclecheck.pruning.space import CombinationSpace
from oraclecheck.records.claims import Claims
from oraclecheck.records.record import Record
from oraclecheck.records.runs_file import save_runs
from oraclecheck.records.store import record_path, write_record
from oraclecheck.records.table import load_runs
from oraclecheck.records.unfinished import keep_choice
from oraclecheck.records.validation import MEASURED
from oraclecheck.records.wandb.mirror import WandbMirror
from oraclecheck.records.wandb.server import WandbSettings
from oraclecheck.study.folder import open_folder
from oraclecheck.study.identity import Study
from records.test_record import METRICS

SPACE = CombinationSpace(tuple(LayerChoice(f"features.{i}", 512, 256) for i in range(16)), "sampled", 3)
"""As large as VGG19's: indices of a thousand digits, 4,096 removed filters a run."""


def wide_study(out: Path) -> Study:
    """A study of such runs."""
    ratio = {layer.name: 0.5 for layer in SPACE.layers}
    fixed = {
        "model": "vgg",
        "pruning_ratio": ratio,
        "wiring": "correct",
        "order": "sampled",
        "pipeline": "one_shot",
        "engine": "lanes",
    }
    fixed |= {"retrain_fraction": 1.0, "dense_hash": "1" * 64, "order_seed": 3, "seed": 5}
    layers = {layer.name: [layer.filters, layer.removed] for layer in SPACE.layers}
    study = Study("wide", {**fixed, "layers": layers}, SPACE, "d", None)
    open_folder(out / study.name, study, {}, [])
    return study


def add_runs(out: Path) -> None:
    """Runs of such a study, through the real records and mirror: whole, failed, diverged, picked, unfinished."""
    study = wide_study(out)
    entry = {"lr": 0.1, "train_loss": math.nan, "test_loss": math.inf, "test_accuracy": 0.1}
    history = [{"epoch": epoch, **entry} for epoch in range(160)]
    finite = [{"epoch": epoch, **dict.fromkeys(entry, 0.1)} for epoch in range(160)]
    outcomes = {
        0: {"status": "ok", **METRICS, "history": finite, "final_test_correct": "/8A=" * 400, "device": "cpu"},
        1: {"status": "failed", "error": 'Traceback:\n  "quoted", é\r\nRuntimeError: no'},
        2: {
            "status": "diverged",
            **METRICS,
            "final_test_loss": math.inf,
            "final_train_loss": math.nan,
            "best_epoch": 0,
            "history": history,
        },
        10**60: {"status": "ok", **METRICS, "pruned_train_loss": 1e-320, "versions": {"b": "1", "a": "nan"}},
        3: None,
        "l1": None,
    }
    for combination, outcome in outcomes.items():
        index = combination if isinstance(combination, int) else None
        removed = SPACE.unrank(index or 77)
        identity = study.run(combination, removed, 1)
        if index is None:
            keep_choice(out / study.name, combination, removed)
        path = record_path(out / study.name, combination, 1)
        settings = WandbSettings("offline", "project", None)
        mirror = WandbMirror(settings, identity, out / study.name, f"{study.hash[:8]}-{combination}-1")
        mirror.log(history[1])
        for claim in Claims([path], study.hash, before=()).first():
            if outcome is not None:
                write_record(path, record := Record(**identity, **outcome))
                mirror.finish(record)
            else:
                mirror._run.finish(exit_code=255)  # what W&B itself does in a process that ends too early
            claim.release()


@pytest.fixture(scope="session")
def sweep(tmp_path_factory) -> Path:
    """A folder of two studies: a real sweep on digits, and synthetic runs of a large network."""
    out = tmp_path_factory.mktemp("sweep")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("WANDB_", "HYDRA_"))]:
            patch.delenv(name)
        patch.chdir(out)
        assert main([*QUICK, 'combo="0-2,l1"', f"paths.out={out}"]) == 0
        add_runs(out)
        os.environ.pop("WANDB_SERVICE", None)  # processes of later tests would share this one's service
    return out


@pytest.fixture(scope="session")
def inspected(sweep) -> dict[Path, dict[str, Any]]:
    """The finished logs of the sweep, as W&B's own inspector reads them."""
    return finished_runs(sweep, 10)


@pytest.fixture
def serve(monkeypatch) -> Iterator[Callable[..., Server]]:
    """Starts a server of W&B projects that this process then uses."""
    servers = []

    def start(**projects: list[dict[str, Any]]) -> Server:
        servers.append(Server({f"entity/{name}": runs for name, runs in projects.items()}))
        monkeypatch.setenv("WANDB_BASE_URL", servers[-1].url)
        monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
        return servers[-1]

    yield start
    for server in servers:
        server.__exit__()


def as_json_pleases(content: dict[str, Any]) -> dict[str, Any]:
    """What JSON in other hands may become: integers are floating-point, keys are sorted, infinity is spelt out."""
    spelt = {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}
    return {
        name: float(value) if isinstance(value, int) else spelt.get(str(value), value)
        for name, value in sorted(content.items())
    }


def test_same_runs_give_the_same_table_from_every_source(sweep, inspected, serve, tmp_path):
    runs = list(inspected.values())
    nodes = [node(run["run_id"], run["config"], run["summary"], run["config"]["study"]) for run in runs]
    pleased = [node(run["run_id"], as_json_pleases(run["config"]), as_json_pleases(run["summary"])) for run in runs]
    serve(plain=nodes, pleased=pleased)
    disk = load_runs(sweep)
    assert disk["status"].value_counts().to_dict() == {"ok": 6, "failed": 1, "diverged": 1, "unfinished": 2}
    save_runs(disk, tmp_path / "disk.csv")
    for source in ("wandb:entity/plain", "wandb:entity/pleased", tmp_path / "disk.csv"):
        table = load_runs(source)
        assert_frame_equal(table, disk)
        save_runs(table, tmp_path / "other.csv")  # as text also 1 and 1.0, or the keys' order, would differ
        assert (tmp_path / "other.csv").read_bytes() == (tmp_path / "disk.csv").read_bytes()
    assert_frame_equal(load_runs(sweep, "wandb:entity/plain"), disk)
    study = disk["study"].iloc[0]
    of_study = disk[disk["study"] == study].reset_index(drop=True)
    assert 0 < len(of_study) < len(disk)
    assert_frame_equal(load_runs(f"wandb:entity/plain/{study}"), of_study)


def test_scalars_stay_numbers_under_the_records_names(inspected):
    """What W&B's scatter and parallel-coordinates panels need."""
    (shown,) = [run for run in inspected.values() if run["config"]["combo"] == 1 and run["config"]["model"] != "vgg"]
    assert isinstance(shown["config"]["combo"], int) and isinstance(shown["config"]["repeat"], int)
    for name in MEASURED:
        assert isinstance(shown["summary"][name], int | float)


def test_two_thousand_runs_take_five_requests(inspected, serve, tmp_path):
    run = next(run for run in inspected.values() if run["config"]["model"] != "vgg")
    nodes = [node(f"run-{i}", {**run["config"], "combo": i, "space_size": 2000}, run["summary"]) for i in range(2000)]
    server = serve(many=nodes)
    environment, temporary = dict(os.environ), set(os.listdir(tempfile.gettempdir()))
    runs = load_runs("wandb:entity/many")
    assert runs["combo"].tolist() == list(range(2000))
    assert len(server.requests) <= 5 and server.requests.count("Runs") == 2, server.requests
    assert dict(os.environ) == environment
    assert not {name for name in set(os.listdir(tempfile.gettempdir())) - temporary if "entity" in name}
    assert list(tmp_path.iterdir()) == []


def test_server_that_asks_to_wait_is_waited_for(inspected, serve):
    server = serve(project=[node(run["run_id"], run["config"], run["summary"]) for run in inspected.values()])
    server.refusals = [(429, {"Retry-After": "1"})]
    start = time.monotonic()
    assert len(load_runs("wandb:entity/project")) == 10
    assert time.monotonic() - start >= 1 and server.requests.count("Runs") == 2


def test_run_logged_twice_counts_once_and_others_runs_not_at_all(inspected, serve, capsys):
    run = next(run for run in inspected.values() if run["summary"].get("status") == "ok")
    config, summary = run["config"], run["summary"]
    ended = {**node("id", config, summary), "createdAt": "2026-01-02T00:00:00Z"}
    earlier = node("id", config, {**summary, "final_test_loss": 7.0})
    begun = {**node("id", config, None), "createdAt": "2026-01-03T00:00:00Z"}
    others = [node("another", {"lr": 0.1}, {}), node("sum", config, summary, job_type="aggregate")]
    serve(project=[ended, earlier, begun, *others])
    (row,) = load_runs("wandb:entity/project").to_dict("records")
    assert row["status"] == "ok" and row["final_test_loss"] == pytest.approx(summary["final_test_loss"])
    assert "run another is left out: its config does not say what it is" in capsys.readouterr().err


def test_run_whose_summary_is_no_record_is_unfinished(inspected, serve, capsys):
    run = next(run for run in inspected.values() if run["summary"].get("status") == "ok")
    serve(project=[node("id", run["config"], {"status": "ok", "final_test_loss": 1})])
    (row,) = load_runs("wandb:entity/project").to_dict("records")
    assert row["status"] == "unfinished" and "must be a finite number" in row["error"]
    assert "run id is not a valid record: record." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("wandb:entity/absent", "there is no project entity/absent that this API key may read"),
        ("wandb:entity/empty", "must hold runs of oraclecheck; it has none"),
        ("wandb:project", "must name ENTITY/PROJECT or ENTITY/PROJECT/GROUP; got 'project'"),
        ("wandb:entity/project/group/more", "must name ENTITY/PROJECT"),
    ],
)
def test_project_that_is_not_there_is_said(serve, path, reason):
    serve(empty=[])
    with pytest.raises(ValueError, match=reason):
        load_runs(path)


def test_missing_key_is_said(serve, monkeypatch):
    serve(empty=[])
    monkeypatch.delenv("WANDB_API_KEY")
    monkeypatch.setenv("NETRC", "nowhere")
    with pytest.raises(ValueError, match="there is no API key"):
        load_runs("wandb:entity/empty")


def test_key_in_netrc_is_enough_and_an_offline_mode_no_hindrance(inspected, serve, monkeypatch, tmp_path):
    server = serve(project=[node(run["run_id"], run["config"], run["summary"]) for run in inspected.values()])
    monkeypatch.delenv("WANDB_API_KEY")
    host = server.url.removeprefix("http://")
    (tmp_path / "netrc").write_text(f"machine {host} login user password {'a' * 40}\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert len(load_runs("wandb:entity/project")) == 10


@pytest.mark.parametrize("listening", [True, False])
def test_server_that_does_not_answer_is_said(monkeypatch, listening):
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        if not listening:
            silent.close()
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{port}")
        with pytest.raises(
            ValueError, match=f"wandb:entity/project cannot be read: http://127.0.0.1:{port} does not answer"
        ):
            load_runs("wandb:entity/project")
