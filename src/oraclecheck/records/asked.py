"""What commands have asked for of a study, so that what is missing can be told without them."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from oraclecheck.files import create_json, digest, read_file, remove_remains

PENDING = ".asked"
"""Folder beside the studies, for those whose dense networks are not trained yet: nobody knows their names."""


@dataclass(frozen=True)
class Asked:
    """Runs that a command asked for.

    Attributes:
        label: First part of the name of the study's folder.
        dense: Name of the dense network's file, that of the last epoch where one in mid-training is taken.
        combo: Set of combinations, as `combo=` takes it.
        repeat: Set of repeats.
    """

    label: str
    dense: str
    combo: str
    repeat: str

    @property
    def _name(self) -> str:
        return f"asked-{digest(asdict(self))[:12]}.json"

    def note(self, folder: Path) -> None:
        """Write it down in the study's folder."""
        path = folder / self._name
        if not path.is_file():
            create_json(path, asdict(self))

    def note_pending(self, out: Path, setting: str) -> None:
        """Write it down for a study that has no folder yet; `setting` is a hash of all else that defines it."""
        path = out / PENDING / f"{setting[:16]}-{self._name}"
        if not path.is_file():
            with suppress(FileNotFoundError):  # who removes what is pending has the study's folder, where it is noted
                create_json(path, asdict(self))

    def no_longer_pending(self, out: Path, setting: str) -> None:
        """Forget what was noted before the study had a folder."""
        path = out / PENDING / f"{setting[:16]}-{self._name}"
        remove_remains(path)
        path.unlink(missing_ok=True)
        with suppress(OSError):  # there are others, or the folder is gone
            (out / PENDING).rmdir()


def asked_of(folder: Path) -> Iterator[Asked]:
    """What was asked of the study whose folder this is; unreadable notes are left out."""
    yield from _read(folder.glob("asked-*.json"))


def pending(out: Path) -> Iterator[tuple[str, Asked]]:
    """What was asked of studies that have no folder: hash of the setting, and runs."""
    for path in sorted((out / PENDING).glob("*-asked-*.json")):
        for asked in _read([path]):
            yield path.name.partition("-")[0], asked


def _read(paths: Iterator[Path] | list[Path]) -> Iterator[Asked]:
    for path in sorted(paths):
        try:
            content = json.loads(read_file(path))
            asked = Asked(**content)
        except (OSError, ValueError, TypeError, RecursionError):
            continue
        words = asdict(asked).values()
        if (
            all(isinstance(word, str) and word.isprintable() for word in words)
            and asked.dense == Path(asked.dense).name
        ):
            yield asked
