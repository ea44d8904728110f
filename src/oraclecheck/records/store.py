"""Records on disk: `<study>/<combination>/<repeat>/record.json`, the place decided by what the run is."""

import json
from functools import lru_cache
from pathlib import Path

from oraclecheck.files import file_state, read_file, write_json
from oraclecheck.records.record import NewerSchemaError, Record, from_json, to_json
from oraclecheck.records.unfinished import BegunStudy
from oraclecheck.records.validation import MOST_DIGITS
from oraclecheck.study.folder import STUDY_FILE

RECORD = "record.json"


def record_path(study: Path, combination: int | str, repeat: int) -> Path:
    """Where in a study's folder the record of a run lies; a combination is an index or the criterion that picks it.

    Raises:
        ValueError: If the index is too long for the name of a folder.
    """
    if len(str(combination)) > MOST_DIGITS:
        raise ValueError(f"combo must have at most {MOST_DIGITS} digits; got {len(str(combination))}")
    return study / str(combination) / str(repeat) / RECORD


def read_record(path: Path, study: BegunStudy | None = None) -> Record:
    """Read and validate a record, of this study or else of the one in whose folder it lies.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is not a valid record of this place and of the study whose folder this is, with the reason.
    """
    record = _read(path)
    if flaw := study.deviation(vars(record)) if study else _deviation(path, record):
        raise ValueError(f"{path} must be a record of its study: record.{flaw}")
    return record


def _read(path: Path) -> Record:
    """A valid record of this place, of whatever study."""
    try:
        record = from_json(json.loads(read_file(path)))
    except NewerSchemaError as error:
        raise NewerSchemaError(f"{path} must be a record that this version can read: {error}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} must be a valid record: {error}") from None
    place = (str(record.combo if record.picked_by is None else record.picked_by), str(record.repeat))
    if place != (path.parent.parent.name, path.parent.name):
        raise ValueError(f"{path} must be the record of its folder; it is of combination {place[0]}, repeat {place[1]}")
    return record


def _deviation(path: Path, record: Record) -> str | None:
    folder = path.parents[2]
    state = file_state(folder / STUDY_FILE)
    return _begun(folder, state).deviation(vars(record)) if state else None


@lru_cache(maxsize=4)  # thousands of records are of one study, as its file was modified last
def _begun(folder: Path, state: tuple[int, int, int]) -> BegunStudy:
    return BegunStudy.of(folder)


def is_done(path: Path, study_hash: str) -> bool:
    """Whether a run needs no retraining: its record is valid and did not fail.

    Raises:
        ValueError: If the record is another study's, of a newer schema or cannot be read: nothing may be mixed in or
            overwritten.
    """
    try:
        record = _read(path)
    except NewerSchemaError:
        raise
    except (FileNotFoundError, ValueError):
        return False
    except OSError as error:
        raise ValueError(f"{path} must be a file that can be read: {error.strerror}") from None
    if record.study_hash != study_hash:
        raise ValueError(
            f"paths.out must not hold records of other settings; {path} belongs to study {record.study_hash[:8]}, "
            f"not {study_hash[:8]}: choose another study or paths.out"
        )
    return record.status != "failed" and _deviation(path, record) is None


def write_record(path: Path, record: Record) -> None:
    """Put a record in its place, all of it or nothing; the record of a run that was done meanwhile stays.

    Two processes do the same run only where one of them was cut off from the folder that they share.
    """
    if not (path.is_file() and is_done(path, record.study_hash)):
        write_json(path, to_json(record))
