"""A report as one W&B run, read back by W&B's own inspector."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot

from oraclecheck.records.table import load_runs
from oraclecheck.records.wandb import WandbSettings
from oraclecheck.records.wandb_aggregate import log_aggregate

WANDB = Path(sys.executable).with_name("wandb")
OFFLINE = WandbSettings("offline", "project", None)
TABLE = pd.DataFrame(
    {
        "study": ["a", "b"], "final": "last", "metric": "accuracy", "n": np.array([45, 3]), "k": 1,
        "agreement": [-0.25, np.nan], "valid": pd.array([True, None], "boolean"), "layers": [["conv1"], []],
        "pairs": pd.array([990, None], "Int64"), "note": ["", "few"], "regret": [np.inf, 0.5],
    }
)  # fmt: skip
SCALARS = ("n", "agreement", "valid", "pairs")


@pytest.fixture
def figure(tmp_path) -> Path:
    drawn, axes = pyplot.subplots(figsize=(1, 1))
    axes.plot([1, 2])
    drawn.savefig(tmp_path / "scatter.png")
    pyplot.close(drawn)
    return tmp_path / "scatter.png"


def inspect(log: Path) -> dict:
    for _ in range(25):  # W&B's service may write it a moment after `finish`
        shown = subprocess.run([WANDB, "leet", "inspect", "--summary", "--json", log], capture_output=True)
        if shown.returncode == 0 and "exit_code" in (run := json.loads(shown.stdout)):
            return run
        time.sleep(0.2)
    raise AssertionError(f"{log} is not finished")


def test_aggregate_is_one_run_with_table_figures_and_scalars(tmp_path, figure):
    where = Path(log_aggregate(TABLE, [figure], OFFLINE, tmp_path, scalars=SCALARS))
    (folder,) = tmp_path.glob("wandb/offline-run-*")
    assert where == folder
    (log,) = folder.glob("run-*.wandb")
    run = inspect(log)
    assert run["state"] == "finished" and run["config"]["studies"] == ["a", "b"]
    scalars = {name: value for name, value in run["summary"].items() if "/" in name}
    assert scalars == {
        "a/last/accuracy/n": 45,
        "a/last/accuracy/agreement": -0.25,
        "a/last/accuracy/valid": True,
        "a/last/accuracy/pairs": 990,
        "b/last/accuracy/n": 3,
    }
    (table,) = folder.glob("files/media/table/table_*.table.json")
    content = json.loads(table.read_text())
    assert content["columns"] == list(TABLE)
    assert content["data"][0] == ["a", "last", "accuracy", 45, 1, -0.25, True, "['conv1']", 990, "", "inf"]
    assert content["data"][1] == ["b", "last", "accuracy", 3, 1, None, None, "[]", None, "few", 0.5]
    (image,) = folder.glob("files/media/images/scatter_*.png")
    assert image.read_bytes() == figure.read_bytes()
    with pytest.raises(ValueError, match="must name a folder with runs"):  # it is no record
        load_runs(f"wandb-offline:{tmp_path}")


@pytest.mark.parametrize(
    ("table", "figures", "reason"),
    [
        (TABLE.drop(columns="study"), [], "it lacks study"),
        (TABLE, [Path("absent.png")], "figures to log must be PNG files; got absent.png"),
        (TABLE, [Path("scatter.pdf")], "must be PNG files"),
    ],
)
def test_what_cannot_be_logged_is_refused(tmp_path, table, figures, reason):
    with pytest.raises(ValueError, match=reason):
        log_aggregate(table, figures, OFFLINE, tmp_path, scalars=SCALARS)
    assert not (tmp_path / "wandb").exists()


def test_wandbs_failure_is_one_sentence(tmp_path, monkeypatch):
    import wandb

    def fail(*_, **__):
        raise RuntimeError("wandb is ill\nand says a lot")

    monkeypatch.setattr(wandb, "init", fail)
    with pytest.raises(ValueError, match=r"W&B must take the aggregate; it failed: wandb is ill$"):
        log_aggregate(TABLE, [], OFFLINE, tmp_path, scalars=SCALARS)
