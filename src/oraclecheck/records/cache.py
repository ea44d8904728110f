"""A study's runs as one Parquet file beside them, for studies of so many runs that reading their records takes seconds.

The file's name holds what it was made of (names, modification times and sizes of all records) and the hash of its own
bytes: it is used only where both are right.
"""

import hashlib
import io
import sys
from contextlib import suppress
from pathlib import Path

import pandas as pd

from oraclecheck import __version__
from oraclecheck.files import digest, file_state, read_file, write_atomically
from oraclecheck.records.columns import NAMES
from oraclecheck.records.folder import places, study_rows
from oraclecheck.records.frame import table_of_rows
from oraclecheck.records.runs_file import load_parquet, write_parquet
from oraclecheck.study.folder import STUDY_FILE

FOLDER = ".cache"
WORTH_CACHING = 500
"""Runs; fewer are read in a fraction of a second."""

DIGITS = 32


def load_study(study: Path) -> pd.DataFrame:
    """The runs of a study's folder, from the cache if it is up to date; complaints about records go to stderr.

    Raises:
        ValueError: If the study's file does not say what its runs are.
    """
    begun = places(study)
    state = digest([__version__, NAMES, file_state(study / STUDY_FILE), begun])[:DIGITS]
    if (cached := _read(study / FOLDER, state)) is not None:
        return cached
    rows, complaints = study_rows(study, begun)
    for complaint in complaints:
        print(f"oraclecheck: not a record: {complaint}", file=sys.stderr)
    table = table_of_rows(rows)
    if len(table) >= WORTH_CACHING and not complaints:
        _write(study / FOLDER, state, table)
    return table


def _read(folder: Path, state: str) -> pd.DataFrame | None:
    for path in folder.glob(f"runs-{state}-*.parquet"):
        with suppress(OSError, ValueError):
            content = read_file(path)
            if path.stem.rpartition("-")[2] == _of_bytes(content):
                return load_parquet(content)
    return None


def _write(folder: Path, state: str, table: pd.DataFrame) -> None:
    with suppress(OSError, UnicodeEncodeError):  # where it cannot be written, there is no cache
        buffer = io.BytesIO()
        write_parquet(table, buffer)
        old = set(folder.glob("runs-*.parquet"))
        path = folder / f"runs-{state}-{_of_bytes(buffer.getvalue())}.parquet"
        write_atomically(path, lambda file: file.write(buffer.getvalue()))
        for outdated in old - {path}:
            outdated.unlink(missing_ok=True)


def _of_bytes(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:DIGITS]
