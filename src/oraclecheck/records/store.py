"""Records on disk: `<study>/<combination>/<repeat>/record.json`, the place decided by what the run is."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from oraclecheck.files import remove_remains, write_json
from oraclecheck.records.record import NewerSchemaError, Record, from_json, to_json

RECORD = "record.json"

MOST_DIGITS = 100
"""Of an index: it is a folder's name and part of a W&B run's id, which hold 255 and 128 characters."""


def record_path(study: Path, combination: int | str, repeat: int) -> Path:
    """Where the record of a run lies.

    Args:
        study: The study's folder.
        combination: Its index, or the name of the criterion that picks it.
        repeat: Which retraining of it.

    Raises:
        ValueError: If the index is too long for the name of a folder.
    """
    if len(str(combination)) > MOST_DIGITS:
        raise ValueError(f"combo must have at most {MOST_DIGITS} digits; got {len(str(combination))}")
    return study / str(combination) / str(repeat) / RECORD


def read_record(path: Path) -> Record:
    """Read and validate a record.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is not a valid record of this place, with the reason.
    """
    try:
        record = from_json(json.loads(path.read_bytes()))
    except NewerSchemaError as error:
        raise NewerSchemaError(f"{path} must be a record that this version can read: {error}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} must be a valid record: {error}") from None
    place = (str(record.combo if record.picked_by is None else record.picked_by), str(record.repeat))
    if place != (path.parent.parent.name, path.parent.name):
        raise ValueError(f"{path} must be the record of its folder; it is of combination {place[0]}, repeat {place[1]}")
    return record


def is_done(path: Path, study_hash: str) -> bool:
    """Whether a run needs no retraining: its record is valid and did not fail.

    Raises:
        ValueError: If the record is another study's, or of a newer schema: nothing may be mixed in or overwritten.
    """
    try:
        record = read_record(path)
    except NewerSchemaError:
        raise
    except (FileNotFoundError, ValueError):
        return False
    if record.study_hash != study_hash:
        raise ValueError(
            f"paths.out must not hold records of other settings; {path} belongs to study {record.study_hash[:8]}, "
            f"not {study_hash[:8]}: choose another study or paths.out"
        )
    return record.status != "failed"


@contextmanager
def claimed(path: Path, study_hash: str) -> Iterator[bool]:
    """Hold a run while it is done; gives False if it is done already.

    Of several processes that ask for the same run one gets True and the others wait, then get False. A process that is
    killed lets go of its claim.

    Args:
        path: Where the run's record goes.
        study_hash: The study it belongs to.

    Raises:
        ValueError: See `is_done`.
    """
    if is_done(path, study_hash):
        yield False
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(".lock")
    with FileLock(lock):
        if is_done(path, study_hash):
            yield False
            return
        remove_remains(path)
        yield True
        if path.is_file():
            lock.unlink(missing_ok=True)  # whoever waits for it will find the record


def write_record(path: Path, record: Record) -> None:
    """Put a record in its place, all of it or nothing."""
    write_json(path, to_json(record))
