"""Points read off a published figure, as runs: a score and a final metric for each, and little else."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oraclecheck.files import digest
from oraclecheck.records.columns import NAMES, empty
from oraclecheck.study.identity import SCHEMA

SCORE = "pruned_train_loss"
FINALS = tuple(f"{epoch}_test_{metric}" for epoch in ("final", "best") for metric in ("accuracy", "loss"))


def completed(path: Path, columns: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """All columns of the table of runs, from those that a file has: at least `SCORE` and one of `FINALS`.

    What the file lacks is `study` = the file's name without its ending, `study_hash` = SHA-256 of the study's name,
    `combo` = the row's number from 0, `repeat` 0, `status` "diverged" where the score or one of the final metrics is
    infinite, else "ok", an empty list or mapping where the record has one, and nothing (None, NaN, NA) elsewhere.

    Raises:
        ValueError: If it has no rows, or neither a status nor a number where one is needed to tell it.
    """
    if not (n := len(columns[SCORE])):
        raise ValueError(f"{path} must have at least one row")
    studies = columns.get("study", [path.stem] * n)
    known: dict[str, list[Any]] = {
        "schema": [SCHEMA] * n,
        "study": studies,
        "study_hash": [digest(study) for study in studies],
        "combo": [None if picked else row for row, picked in enumerate(columns.get("picked_by", [None] * n))],
        "repeat": [0] * n,
        "status": columns.get("status") or _statuses(path, columns),
        **columns,
    }
    return {name: known.get(name) or [empty(name) for _ in range(n)] for name in NAMES}


def _statuses(path: Path, columns: Mapping[str, list[Any]]) -> list[str]:
    statuses = ["ok"] * len(columns[SCORE])
    for name in (SCORE, *FINALS):
        for row, value in enumerate(columns.get(name, ())):
            if value is None or math.isnan(value):
                raise ValueError(
                    f"{path}: {name} must be a number where there is no column status; row {row + 1} has none"
                )
            if math.isinf(value):
                statuses[row] = "diverged"
    return statuses
