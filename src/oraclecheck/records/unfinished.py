"""Runs that were begun and have no valid record: what they are is known from their place and their study alone."""

import json
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oraclecheck.files import read_file, write_json
from oraclecheck.pruning.combination import LayerChoice
from oraclecheck.pruning.space import CombinationSpace
from oraclecheck.records.columns import UNFINISHED, default
from oraclecheck.records.record import KINDS, NewerSchemaError, check_schema
from oraclecheck.records.validation import Flaw, deviation, flaw_of, gap_of, mistyped
from oraclecheck.study.folder import STUDY_FILE
from oraclecheck.study.identity import OF_STUDY, run_identity

CHOICE = "removed.json"


def keep_choice(study: Path, criterion: str, removed: dict[str, Any]) -> None:
    """Write down what a criterion removes, before its first run: without the dense network nobody could tell later."""
    path = study / criterion / CHOICE
    if not path.is_file():
        write_json(path, {layer: list(filters) for layer, filters in removed.items()})


def unfinished_row(identity: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    """The row of a run that was begun and has no valid record.

    Args:
        identity: The columns that say what the run is.
        reason: Why its record does not count, if there is one.
    """
    return {**identity, "status": UNFINISHED, "error": reason}


def identity_flaw(identity: Mapping[str, Any]) -> Flaw | None:
    """The first thing that no run can be, in the columns that say what a run is."""
    row = {name: default(name) for name in KINDS} | unfinished_row(dict(identity))
    return mistyped(row, KINDS) or flaw_of(row)


@dataclass(frozen=True)
class BegunStudy:
    """A study's folder, as its runs' identities can be rebuilt from it.

    Attributes:
        folder: The study's folder.
        space: Its combinations.
        seed: Base of the retraining seeds.
        common: The columns that all its runs share.
    """

    folder: Path
    space: CombinationSpace
    seed: int
    common: dict[str, Any]

    @classmethod
    def of(cls, folder: Path) -> "BegunStudy":
        """The study whose folder this is.

        Raises:
            NewerSchemaError: If a later version wrote its file.
            ValueError: If its file does not say what its runs are.
        """
        path = folder / STUDY_FILE
        try:
            content = _part({"it": json.loads(read_file(path))}, "it")
            common = _part(content, "identity")
            check_schema(common["schema"])
            definition = _part(content, "definition")
            space = _space(definition)
            if type(definition["seed"]) is not int:
                raise ValueError(f"seed must be a number; got {reprlib.repr(definition['seed'])}")
            study = cls(folder, space, definition["seed"], {name: common[name] for name in OF_STUDY})
            row = study._row(0, _first(space), None, 0)
            if flaw := identity_flaw(row) or gap_of({**row, "status": UNFINISHED}, ()):
                raise ValueError(flaw)
        except NewerSchemaError as error:
            raise NewerSchemaError(f"{path} must be a study that this version can read: {error}") from None
        except KeyError as error:
            raise ValueError(_unusable(path, f"it lacks {error}")) from None
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(_unusable(path, str(error))) from None
        if study.common["study"] != (name := folder.absolute().name):
            raise ValueError(
                f"{path} must be the file of its folder; it is of {study.common['study']}, not {name}: call the folder "
                "what it was called"
            )
        return study

    def deviation(self, row: Mapping[str, Any]) -> Flaw | None:
        """The first thing in which a row is not one of this study's.

        Args:
            row: Without a flaw of its own.
        """
        removed = row["removed"]
        if flaw := deviation(row, {**self.common, "removed": removed}, STUDY_FILE):
            return flaw
        for layer in self.space.layers:
            chosen = removed.get(layer.name, [])
            if len(chosen) != layer.removed or chosen[-1:] >= [layer.filters]:
                rule = f"hold {layer.removed} of the {layer.filters} filters of {layer.name}, numbered from 0"
                return Flaw("removed", rule, reprlib.repr(chosen))
        return None

    def identity(self, combination: str, repeat: str) -> dict[str, Any]:
        """The columns that say what the run in `<folder>/<combination>/<repeat>/` is.

        Raises:
            ValueError: If the place does not tell.
        """
        try:
            if not (repeat.isdecimal() and str(int(repeat)) == repeat):
                raise ValueError(f"a repeat is a number, not {repeat!r}")
            index = int(combination) if combination.isdecimal() and str(int(combination)) == combination else None
            if index is None:
                removed = json.loads(read_file(self.folder / combination / CHOICE))
            else:
                removed = {layer: list(filters) for layer, filters in self.space.unrank(index).items()}
            row = self._row(index, removed, None if index is not None else combination, int(repeat))
            if flaw := identity_flaw(row) or self.deviation(row):
                raise ValueError(flaw)
            return row
        except (OSError, ValueError, RecursionError) as error:
            raise ValueError(f"{self.folder / combination / repeat} must be a run of its study: {error}") from None

    def _row(self, combo: int | None, removed: dict[str, Any], picked_by: str | None, repeat: int) -> dict[str, Any]:
        of_run: Any = {"combo": combo, "removed": removed, "picked_by": picked_by, "repeat": repeat}
        return run_identity(self.common, self.seed, **of_run)


def _space(definition: dict[str, Any]) -> CombinationSpace:
    for name, counts in _part(definition, "layers").items():
        if not isinstance(counts, list) or list(map(type, counts)) != [int, int]:
            raise ValueError(
                f"layers must have two numbers for {name}, of its filters and the removed ones; got {counts!r}"
            )
    layers = tuple(LayerChoice(name, *counts) for name, counts in definition["layers"].items())
    seed = definition["order_seed"] or 0
    if type(seed) is not int:
        raise ValueError(f"order_seed must be null or a number; got {reprlib.repr(seed)}")
    return CombinationSpace(layers, definition["order"], seed)


def _first(space: CombinationSpace) -> dict[str, list[int]]:
    return {layer.name: list(range(layer.removed)) for layer in space.layers}


def _part(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    if not isinstance(content[name], dict):
        raise ValueError(f"{name} must be a mapping; got {reprlib.repr(content[name])}")
    return content[name]


def _unusable(path: Path, reason: str) -> str:
    return (
        f"{path} must be the file that a sweep wrote: {reason}; once it is deleted, the sweep's command writes it anew"
    )
