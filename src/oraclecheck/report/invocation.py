"""The command that makes a study's runs again."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd


def sweep_commands(runs: pd.DataFrame, studies: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Study -> the command for the combinations and repeats that its runs are of, where its file is known.

    Args:
        runs: One row per record.
        studies: Study -> content of its file (`study.folder.read_studies`).
    """
    commands = {}
    for study, rows in runs[runs["picked_by"].isna() & runs["combo"].notna()].groupby("study"):
        if str(study) in studies:
            combos, repeats = (_indices(rows[name].unique().tolist()) for name in ("combo", "repeat"))
            words = [*studies[str(study)]["overrides"], f"combo={combos}", *[f"repeat={repeats}"] * (repeats != "0")]
            commands[str(study)] = shlex.join(["python", "-m", "oraclecheck", "-m", *words])
    return commands


def _indices(indices: Sequence[int]) -> str:
    """A sweep over the indices: range(n) where they are the first n."""
    wanted = sorted(indices)
    if wanted == list(range(len(wanted))) and len(wanted) > 1:
        return f"range({len(wanted)})"
    return ",".join(map(str, wanted))
