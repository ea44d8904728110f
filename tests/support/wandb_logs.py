"""W&B's logs of offline runs, as W&B's own inspector reads them."""

import json
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_INSPECT = (Path(sys.executable).with_name("wandb"), "leet", "inspect")


def finished_runs(folder: Path, n: int) -> dict[Path, dict[str, Any]]:
    """The n finished runs of a folder of studies: log -> its `config`, `summary`, `run_id` and `state`."""
    found: dict[Path, dict[str, Any]] = {}
    for _ in range(100):  # W&B's service may write them a moment after `finish`
        found = {path: inspected(path) for path in sorted(folder.glob("*/wandb/offline-run-*/run-*.wandb"))}
        if len(found) == n and all("exit_code" in run for run in found.values()):
            return found
        time.sleep(0.2)
    raise AssertionError(f"not {n} finished runs but {found}")


def inspected(log: Path) -> dict[str, Any]:
    """A log's summary; nothing as long as there is no run in it."""
    shown = subprocess.run([*_INSPECT, "--summary", "--json", log], capture_output=True)
    return json.loads(shown.stdout) if shown.returncode == 0 else {}


def events(log: Path) -> Iterable[dict[str, Any]]:
    """A log's entries, one by one."""
    shown = subprocess.run([*_INSPECT, "--json", log], capture_output=True, check=True)
    return map(json.loads, shown.stdout.splitlines())
