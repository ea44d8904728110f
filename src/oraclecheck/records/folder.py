"""The runs of a study's folder: a row for every record, and for every run that was begun and has no valid one.

Reading thousands of records takes seconds, so the table is kept beside them as a Parquet file. Its name holds what it
was made of (names, modification times and sizes of all records) and the hash of its own bytes: it is used only where
both are right.
"""

import hashlib
import io
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from oraclecheck import __version__
from oraclecheck.files import digest, file_state, read_file, write_atomically
from oraclecheck.records.columns import NAMES
from oraclecheck.records.frame import rows_of, table_of_rows, values_of
from oraclecheck.records.run_folders import Place, places
from oraclecheck.records.runs_file import load_file, load_parquet, write_parquet
from oraclecheck.records.siblings import deviation
from oraclecheck.records.store import RECORD, read_record
from oraclecheck.records.unfinished import BegunStudy, unfinished_row
from oraclecheck.study.folder import RUNS_FILE, STUDY_FILE

CACHE = ".cache"
WORTH_CACHING = 500
"""Runs; fewer are read in a fraction of a second."""

DIGITS = 32


def load_study(study: Path) -> pd.DataFrame:
    """The runs of a study's folder, from the cache if it is up to date; complaints about records go to stderr.

    Raises:
        ValueError: If the study's file does not say what its runs are, or not what those of `runs.parquet` are.
    """
    if (study / RUNS_FILE).is_file():
        return _published(study)
    begun = places(study)
    state = digest([__version__, NAMES, file_state(study / STUDY_FILE), begun])[:DIGITS]
    if (cached := _read(study / CACHE, state)) is not None:
        return cached
    rows, complaints = study_rows(study, begun)
    for complaint in complaints:
        print(f"oraclecheck: not a record: {complaint}", file=sys.stderr)
    table = table_of_rows(rows)
    if len(table) >= WORTH_CACHING and not complaints:
        _write(study / CACHE, state, table)
    return table


def _published(study: Path) -> pd.DataFrame:
    """The runs of a published study, which have no records."""
    table, common = load_file(study / RUNS_FILE), BegunStudy.of(study).common
    for row in rows_of({name: values_of(table[name]) for name in NAMES}):
        if flaw := deviation(row, common, "its study"):
            raise ValueError(f"{study / RUNS_FILE}: {flaw}")
    return table


def study_rows(study: Path, begun: list[Place]) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of the runs in these places, and a sentence about everything that should be a record and is not.

    A record that is unreadable, of another study or in the wrong place leaves its run unfinished, with the reason in
    the column `error`.

    Raises:
        ValueError: If the study's file does not say what its runs are.
    """
    rows, complaints = [], []
    known = BegunStudy.of(study)
    for combination, repeat, state in begun:
        reason = None
        try:
            if state is not None:
                rows.append(vars(read_record(study / combination / repeat / RECORD, known)))
                continue
        except (ValueError, OSError) as error:
            complaints.append(reason := str(error))
        try:
            rows.append(unfinished_row(known.identity(combination, repeat), reason))
        except ValueError as error:
            complaints.append(str(error))
    return rows, complaints


def _read(folder: Path, state: str) -> pd.DataFrame | None:
    for path in folder.glob(f"runs-{state}-*.parquet"):
        with suppress(OSError, ValueError):
            content = read_file(path)
            if path == _path(folder, state, content):
                return load_parquet(content)
    return None


def _write(folder: Path, state: str, table: pd.DataFrame) -> None:
    with suppress(OSError, UnicodeEncodeError):  # where it cannot be written, there is no cache
        write_parquet(table, buffer := io.BytesIO())
        old = set(folder.glob("runs-*.parquet"))
        path = _path(folder, state, buffer.getvalue())
        write_atomically(path, lambda file: file.write(buffer.getvalue()))
        for outdated in old - {path}:
            outdated.unlink(missing_ok=True)


def _path(folder: Path, state: str, content: bytes) -> Path:
    return folder / f"runs-{state}-{hashlib.sha256(content).hexdigest()[:DIGITS]}.parquet"
