"""Runs that were begun and have no valid record: what they are is known from their place and their study alone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oraclecheck.files import read_file, write_json
from oraclecheck.pruning.combination import LayerChoice
from oraclecheck.pruning.space import CombinationSpace
from oraclecheck.records.columns import empty
from oraclecheck.records.flaw import Flaw, short
from oraclecheck.records.record import KINDS, NewerSchemaError, check_schema
from oraclecheck.records.siblings import deviation
from oraclecheck.records.validation import UNFINISHED, flaw_of, gap_of, mistyped
from oraclecheck.study.folder import STUDY_FILE
from oraclecheck.study.identity import DENSE, OF_STUDY, SETTING, Study, run_identity

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
    row = {name: empty(name) for name in KINDS} | unfinished_row(dict(identity))
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
            content = _mapping("it", json.loads(read_file(path)))
            common, definition = (_mapping(name, content[name]) for name in ("identity", "definition"))
            check_schema(common["schema"])
            space = _space(definition)
            if type(definition["seed"]) is not int:
                raise ValueError(f"seed must be a number; got {short(definition['seed'])}")
            study = cls(folder, space, definition["seed"], {name: common[name] for name in OF_STUDY})
            defined = Study("", definition, space, common["data"], common["pretrain_seed"]).columns
            first = {layer.name: list(range(layer.removed)) for layer in space.layers}
            row = study._row(combo=0, removed=first, picked_by=None, repeat=0)
            gap = identity_flaw(row) or gap_of(unfinished_row(row), ())
            if flaw := gap or deviation(row, defined, "its definition", (*SETTING, DENSE)):
                raise ValueError(flaw)
        except NewerSchemaError as error:
            raise NewerSchemaError(f"{path} must be a study that this version can read: {error}") from None
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
            raise ValueError(
                f"{path} must be the file that a sweep wrote: {reason}; once it is deleted, the sweep's command writes "
                "it anew"
            ) from None
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
        if flaw := deviation(row, self.common, STUDY_FILE):
            return flaw
        for layer in self.space.layers:
            chosen = row["removed"].get(layer.name, [])
            if len(chosen) != layer.removed or chosen[-1:] >= [layer.filters]:
                rule = f"hold {layer.removed} of the {layer.filters} filters of {layer.name}, numbered from 0"
                return Flaw("removed", rule, short(chosen))
        return None

    def identity(self, combination: str, repeat: str) -> dict[str, Any]:
        """The columns that say what the run in `<folder>/<combination>/<repeat>/` is.

        Raises:
            ValueError: If the place does not tell.
        """
        try:
            index, number = _number(combination), _number(repeat)
            if number is None:
                raise ValueError(f"a repeat is a number, not {repeat!r}")
            if index is None:
                removed = json.loads(read_file(self.folder / combination / CHOICE))
            else:
                removed = {layer: list(filters) for layer, filters in self.space.unrank(index).items()}
            picked_by = combination if index is None else None
            of_run: dict[str, Any] = {"combo": index, "removed": removed, "picked_by": picked_by, "repeat": number}
            row = self._row(**of_run)
            if flaw := identity_flaw(row) or self.deviation(row):
                raise ValueError(flaw)
            return run_identity(self.common, self.seed, **of_run)
        except (OSError, ValueError, RecursionError) as error:
            raise ValueError(f"{self.folder / combination / repeat} must be a run of its study: {error}") from None

    def _row(self, **of_run: Any) -> dict[str, Any]:
        """A run of this study to be checked, of which nothing is known to be right, so that no seed is made of it."""
        return {**self.common, **of_run, "seed": 0}


def _number(folder: str) -> int | None:
    """The number that a folder is called; None if it is called by a word."""
    return int(folder) if folder.isdecimal() and str(int(folder)) == folder else None


def _space(definition: dict[str, Any]) -> CombinationSpace:
    layers = _mapping("layers", definition["layers"])
    for name, counts in layers.items():
        if not isinstance(counts, list) or list(map(type, counts)) != [int, int]:
            raise ValueError(
                f"layers must have two numbers for {name}, of its filters and the removed ones; got {counts!r}"
            )
    seed = definition["order_seed"] or 0
    if type(seed) is not int:
        raise ValueError(f"order_seed must be null or a number; got {short(seed)}")
    return CombinationSpace(
        tuple(LayerChoice(name, *counts) for name, counts in layers.items()), definition["order"], seed
    )


def _mapping(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be a mapping; got {short(value)}")
    return value
