"""W&B mirrors the records: offline by default, never at a record's cost. Read back by W&B's own inspector."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from quick import QUICK
from wandb_logs import finished_runs

from oraclecheck.records.wandb import mirror


@pytest.fixture(autouse=True)
def forget_mode(monkeypatch):
    """Each test finds out anew whether W&B is usable; what a test makes of the environment ends with it."""
    monkeypatch.setenv("WANDB_MODE", "restored after the test")
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setenv("NETRC", "nowhere")
    monkeypatch.setattr(mirror, "_failure_said", False)
    mirror._trouble.cache_clear()


def the_records() -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(Path("multirun").glob("*/*/*/record.json"))]


def offline_runs(n: int) -> list[dict]:
    """Config and summary of n finished offline runs, as W&B's own inspector reads them."""
    return [*finished_runs(Path("multirun"), n).values()]


def test_offline_run_holds_the_record(command):
    assert command(*QUICK, "combo=5")[0] == 0
    (record,), (run,) = the_records(), offline_runs(1)
    assert run["run_id"] == f"{record['study_hash'][:8]}-5-0" and run["state"] == "finished"
    columns = {**run["config"], **run["summary"]}
    for name, value in record.items():
        kept = columns.get(name)
        if isinstance(value, dict | list):
            kept = json.loads(kept)
        elif isinstance(value, int) and value > 2**53:
            kept = int(kept)
        assert kept == value, name


def test_run_says_to_a_reader_what_it_is(command):
    sweep = ("pruning.ratio={conv1: 0.2, conv2: 0.5}", "pruning.wiring=released_code", "pretrain.seed=3")
    assert command(*QUICK, *sweep, "combo=5", "repeat=1")[0] == 0
    (record,), (run,) = the_records(), offline_runs(1)
    assert run["name"] == "conv1/conv2 0.2/0.5, seed 3: combination 5, repeat 1"
    assert run["tags"] == ["lenet5_mini", "digits", "released_code", "conv1/conv2 0.2/0.5", "seed 3"]
    config = run["config"]
    assert (config["ratio/conv1"], config["ratio/conv2"]) == (0.2, 0.5)
    assert config["removed/conv1"] == " ".join(map(str, record["removed"]["conv1"]))
    assert config["retrain/epochs"] == 2 and config["retrain/schedule"] == "0: 0.04, 1: 0.004"


def test_pruned_network_is_told_before_its_retraining_ends(command, monkeypatch):
    """A run that fails in its first epoch has left what its scatter needs."""
    assert command(*QUICK, "logger=none", "stage=pretrain")[0] == 0
    monkeypatch.setattr("oraclecheck.engines.callbacks.History.on_train_epoch_end", lambda *_: 1 / 0)
    assert command(*QUICK)[0] == 1
    (run,) = offline_runs(1)
    assert run["state"] == "failed" and run["summary"]["pruned_train_loss"] > 0


def test_diverged_run_is_an_outcome_and_not_a_failure(command):
    assert command(*QUICK, "retrain.lr='0: 1e30'")[0] == 0
    (record,), (run,) = the_records(), offline_runs(1)
    assert (record["status"], run["state"]) == ("diverged", "finished")


def test_settings_that_wandb_refuses_cost_a_line_and_no_record(command, monkeypatch):
    monkeypatch.setenv("WANDB_BASE_URL", "no URL at all")
    code, _, err = command(*QUICK, "logger.mode=online")
    assert code == 0 and the_records()[0]["status"] == "ok" and "W&B" in err and "Traceback" not in err


def test_logger_none_mirrors_nothing(command):
    assert command(*QUICK, "logger=none")[0] == 0
    assert the_records() and not list(Path("multirun").glob("*/wandb"))


@pytest.mark.parametrize("broken", ["init", "log", "update", "finish"])
def test_wandb_crash_costs_a_line_and_no_record(command, monkeypatch, broken):
    """W&B fails for the first of three runs: its record is whole, the others are mirrored under their own ids."""
    import wandb

    owner = {"init": wandb, "update": wandb.sdk.wandb_summary.Summary}.get(broken, wandb.Run)
    works, calls = getattr(owner, broken), []

    def crash_once(*arguments, **keywords):
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("wandb is ill")
        return works(*arguments, **keywords)

    monkeypatch.setattr(owner, broken, crash_once)
    code, out, err = command(*QUICK, 'combo="0-2"')
    assert code == 0 and "3 of 3 runs have records" in out
    assert [line for line in err.splitlines() if "W&B" in line] == [
        "oraclecheck: W&B failed (wandb is ill); records are kept on disk all the same"
    ]
    mirrored = {run["config"]["combo"]: run for run in offline_runs(2 if broken == "init" else 3)}
    for record in the_records()[1:]:
        run = mirrored[record["combo"]]
        assert run["run_id"].endswith(f"-{record['combo']}-0")
        assert run["summary"]["final_test_loss"] == pytest.approx(record["final_test_loss"])


def test_server_that_is_no_wandb_is_said(monkeypatch, capsys):
    monkeypatch.setenv("WANDB_BASE_URL", "nonsense")
    assert mirror.usable_mode("online") == "offline"
    assert "nonsense does not answer" in capsys.readouterr().err


def test_unreachable_server_is_said_once_and_runs_go_offline(command, monkeypatch):
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    code, _, err = command(*QUICK, "logger.mode=online", 'combo="0,1"')
    assert code == 0 and len(offline_runs(2)) == 2
    (line,) = [line for line in err.splitlines() if "W&B" in line]
    assert "http://127.0.0.1:9 does not answer" in line and "runs are kept offline" in line


def test_missing_key_is_said_and_never_asked_for(command, monkeypatch):
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.server_port}")
    code, _, err = command(*QUICK, "logger.mode=online")
    server.shutdown()
    server.server_close()
    assert code == 0 and "there is no API key" in err and len(offline_runs(1)) == 1
