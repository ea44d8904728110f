"""Runs that W&B kept on disk: `wandb-offline:DIR`."""

from pathlib import Path

import pandas as pd

from oraclecheck.records.frame import table_of_rows
from oraclecheck.records.wandb.columns import WandbRun, rows_of, say
from oraclecheck.records.wandb.log import read_log

LOGS = ("run-*.wandb", "*run-*/run-*.wandb", "wandb/*run-*/run-*.wandb", "*/wandb/*run-*/run-*.wandb")
"""Where logs lie below a run's own folder, a `wandb` folder, a study's folder and a folder of studies."""


def load_offline(root: Path) -> pd.DataFrame:
    """The table of the runs whose W&B logs lie in a folder.

    Damaged logs are named on stderr and read as far as they are whole.

    Args:
        root: A study's folder, its `wandb` folder, a folder of studies, or the folder of one run's log.

    Raises:
        ValueError: If there are no such runs, or a log is in an unknown format.
    """
    paths = sorted(path for pattern in LOGS for path in root.glob(pattern))
    rows = rows_of(run for path in paths if (run := _run(path)).id)
    if not rows:
        raise ValueError(f"wandb-offline: must name a folder with runs that W&B kept; got {root}")
    return table_of_rows(rows)


def _run(path: Path) -> WandbRun:
    run, damage = read_log(path)
    if damage or not run.id:
        say(damage or f"{path} does not say which run it is of")
    return run
