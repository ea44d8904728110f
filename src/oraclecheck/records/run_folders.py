"""The folders of a study's runs, read off the disk without their records."""

import os
from collections.abc import Iterator
from pathlib import Path

from oraclecheck.files import file_state
from oraclecheck.records.store import RECORD

Place = tuple[str, str, tuple[int, int, int] | None]
"""A run's folder: its parent's name (the combination), its own (the repeat), and its record's `file_state`, if any."""


def places(study: Path) -> list[Place]:
    """The folders of all runs that were begun, in the order of their names."""
    found = []
    for combination in _folders(study):
        for repeat in _folders(os.path.join(study, combination)):
            state = file_state(os.path.join(study, combination, repeat, RECORD))
            if state or repeat.isdecimal():
                found.append((combination, repeat, state))
    return sorted(found)


def _folders(parent: str | os.PathLike[str]) -> Iterator[str]:
    with os.scandir(parent) as entries:
        for entry in entries:
            if not entry.name.startswith(".") and entry.is_dir():
                yield entry.name
