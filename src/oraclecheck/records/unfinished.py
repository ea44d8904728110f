"""Runs that were begun and have no valid record: what they are is known from their place and their study alone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oraclecheck.files import create_json, read_file
from oraclecheck.pruning.combination import LayerChoice
from oraclecheck.pruning.masks.choice import is_mask_choice, without_hash
from oraclecheck.pruning.masks.space import MaskSpace, Space
from oraclecheck.pruning.rounds import NestedSpace
from oraclecheck.pruning.space import CombinationSpace
from oraclecheck.records.record import NewerSchemaError, Record, check_schema
from oraclecheck.records.siblings import deviation
from oraclecheck.records.validation import UNFINISHED
from oraclecheck.spelling import spell_value
from oraclecheck.study.folder import STUDY_FILE
from oraclecheck.study.identity import DENSE, OF_STUDY, SETTING, Study, run_identity

CHOICE = "removed.json"


def keep_choice(study: Path, criterion: str, removed: dict[str, Any]) -> None:
    """Write down what a criterion removes, before its first run: without the dense network nobody could tell later."""
    path = study / criterion / CHOICE
    if not path.is_file():
        create_json(path, {layer: list(filters) for layer, filters in removed.items()})


def unfinished_row(identity: Mapping[str, Any], reason: str | None = None) -> dict[str, Any]:
    """The row of a run that was begun and has no valid record; the reason is why its record does not count."""
    return {**identity, "status": UNFINISHED, "error": reason}


def check_identity(identity: Mapping[str, Any]) -> None:
    """Refuse, with a ValueError, identity columns that no run can have, not even one that failed at once."""
    Record(**identity, status="failed", error="for whatever reason")


@dataclass(frozen=True)
class BegunStudy:
    """A study's folder, as its runs' identities can be rebuilt from it: `common` are the columns that they share."""

    folder: Path
    space: Space
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
            identity, definition = (_mapping(name, content[name]) for name in ("identity", "definition"))
            check_schema(identity["schema"])
            space = _space(definition)
            common = {name: identity[name] for name in OF_STUDY}
            if isinstance(space, MaskSpace):
                first: dict[str, Any] = space.unrank(0)
            else:
                first = {layer.name: list(range(layer.removed)) for layer in space.layers}
            check_identity({**common, "combo": 0, "removed": first, "picked_by": None, "repeat": 0, "seed": 0})
            defined = Study("", definition, space, common["data"], common["pretrain_seed"]).columns
            if flaw := deviation(common, defined, "its definition", (*SETTING, DENSE)):
                raise ValueError(flaw)
        except NewerSchemaError as error:
            raise NewerSchemaError(f"{path} must be a study that this version can read: {error}") from None
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
            raise ValueError(
                f"{path} must be the file that a sweep wrote: {reason}; once it is deleted, the sweep's command writes "
                "it anew"
            ) from None
        if common["study"] != (name := folder.absolute().name):
            raise ValueError(
                f"{path} must be the file of its folder; it is of {common['study']}, not {name}: call the folder what "
                "it was called"
            )
        return cls(folder, space, definition["seed"], common)

    def deviation(self, row: Mapping[str, Any]) -> str | None:
        """The first thing in which a row without a flaw of its own is not one of this study's."""
        if flaw := deviation(row, self.common, STUDY_FILE):
            return flaw
        if isinstance(self.space, MaskSpace):
            if row["combo"] is None:
                return "combo must be given where single weights are removed; got none"
            numbered = self.space.unrank(row["combo"])
            if is_mask_choice(row["removed"]) and without_hash(row["removed"]) == numbered:
                return None
            return f"removed must be {numbered}, as its combination has it; got {spell_value(row['removed'])}"
        for layer in self.space.layers:
            chosen = row["removed"].get(layer.name, [])
            if len(chosen) != layer.removed or max(chosen, default=-1) >= layer.filters:
                rule = f"hold {layer.removed} of the {layer.filters} filters of {layer.name}, numbered from 0"
                return f"removed must {rule}; got {spell_value(chosen)}"
        if isinstance(self.space, NestedSpace) and (name := self.space.flaw(row["removed"])):
            got = spell_value(row["removed"][name])
            return f"removed must list the filters of {name} round by round, ascending within each; got {got}"
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
                removed = _lists(self.space.unrank(index))
            picked_by = combination if index is None else None
            of_run: dict[str, Any] = {"combo": index, "removed": removed, "picked_by": picked_by, "repeat": number}
            check_identity(row := {**self.common, **of_run, "seed": 0})  # no seed is made of what may be wrong
            if flaw := self.deviation(row):
                raise ValueError(flaw)
            return run_identity(self.common, self.seed, **of_run)
        except (OSError, ValueError, RecursionError) as error:
            raise ValueError(f"{self.folder / combination / repeat} must be a run of its study: {error}") from None


def _number(folder: str) -> int | None:
    """The number that a folder is called; None if it is called by a word."""
    return int(folder) if folder.isdecimal() and str(int(folder)) == folder else None


def _lists(removed: Mapping[str, Any]) -> dict[str, Any]:
    """What a combination removes, as a record has it before its masks are made."""
    if is_mask_choice(removed):
        return dict(removed)
    return {layer: list(filters) for layer, filters in removed.items()}


def _space(definition: dict[str, Any]) -> Space:
    seed, order_seed = definition["seed"], definition["order_seed"]
    if type(seed) is not int or not isinstance(order_seed, int | None):
        given = f"{spell_value(seed)} and {spell_value(order_seed)}"
        raise ValueError(f"seed must be a number and order_seed null or one; got {given}")
    if "unstructured" in definition:
        shares = set(_mapping("pruning_ratio", definition["pruning_ratio"]).values())
        weights, described = (_mapping(name, definition[name]) for name in ("layers", "unstructured"))
        return MaskSpace.of_definition(weights, shares.pop(), described, order_seed or 0)
    layers = []
    for name, counts in _mapping("layers", definition["layers"]).items():
        if not isinstance(counts, list) or list(map(type, counts)) != [int, int]:
            raise ValueError(
                f"layers must have two numbers for {name}, of its filters and the removed ones; got {counts!r}"
            )
        layers.append(LayerChoice(name, *counts))
    order = definition["order"], order_seed or 0
    if definition["pipeline"] != "iterative":
        return CombinationSpace(tuple(layers), *order)
    counts = {
        layer.name: tuple(_mapping("removed", each["removed"])[layer.name] for each in definition["rounds"])
        for layer in layers
    }
    if any(sum(counts[layer.name]) != layer.removed for layer in layers):
        raise ValueError("rounds must remove what layers say that goes in all; got other numbers of filters")
    return NestedSpace(tuple(layers), *order, counts)


def _mapping(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be a mapping; got {spell_value(value)}")
    return value
