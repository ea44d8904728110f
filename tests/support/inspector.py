"""W&B's own inspector of its logs, called as `wandb leet inspect` calls it, which itself takes most of a second."""

import json
import subprocess
from pathlib import Path
from typing import Any

from wandb.util import get_core_path


def inspect(log: Path) -> dict[str, Any]:
    """Config, summary and state of the run in a log; nothing where it cannot be read."""
    call = [get_core_path(), "leet", "inspect", "--no-observability", "--summary", "--json"]
    shown = subprocess.run([*call, "--run-file", log.absolute(), log.absolute().parent.parent], capture_output=True)
    return json.loads(shown.stdout) if shown.returncode == 0 else {}
