"""The runs of a study's folder: a row for every record, and for every run that was begun and has no valid one."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from oraclecheck.files import file_state
from oraclecheck.records.columns import row_of
from oraclecheck.records.store import RECORD, read_record
from oraclecheck.records.unfinished import BegunStudy, unfinished_row


class Place(NamedTuple):
    """A run's folder.

    Attributes:
        combination: Its parent's name.
        repeat: Its name.
        state: `file_state` of its record; None if there is none.
    """

    combination: str
    repeat: str
    state: tuple[int, int, int] | None


def places(study: Path) -> list[Place]:
    """The folders of all runs that were begun, in the order of their names."""
    found = []
    for combination in _folders(study):
        for repeat in _folders(os.path.join(study, combination)):
            state = file_state(os.path.join(study, combination, repeat, RECORD))
            if state or repeat.isdecimal():
                found.append(Place(combination, repeat, state))
    return sorted(found)


def study_rows(study: Path, begun: list[Place]) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of a study's runs, and a sentence about everything that should be a record and is not.

    A record that is unreadable, of another study or in the wrong place leaves its run unfinished, with the reason in
    the column `error`.

    Args:
        study: The study's folder.
        begun: Its runs' folders.

    Raises:
        ValueError: If the study's file does not say what its runs are.
    """
    rows, complaints = [], []
    known = BegunStudy.of(study)
    for place in begun:
        try:
            if place.state is not None:
                rows.append(row_of(read_record(study / place.combination / place.repeat / RECORD, known)))
                continue
            reason = None
        except (ValueError, OSError) as error:
            complaints.append(reason := str(error))
        try:
            rows.append(unfinished_row(known.identity(place.combination, place.repeat), reason))
        except ValueError as error:
            complaints.append(str(error))
    return rows, complaints


def _folders(parent: str | os.PathLike[str]) -> Iterator[str]:
    with os.scandir(parent) as entries:
        for entry in entries:
            if not entry.name.startswith(".") and entry.is_dir():
                yield entry.name
