"""Runs that were begun and have no valid record: what they are is known from their place and their study alone."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from oraclecheck.files import write_json
from oraclecheck.pruning.combination import CombinationSpace, LayerChoice
from oraclecheck.records.columns import UNFINISHED
from oraclecheck.records.record import SCHEMA
from oraclecheck.seeds import run_seed
from oraclecheck.study import STUDY_FILE

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


@dataclass(frozen=True)
class BegunStudy:
    """A study's folder, as its runs' identities can be rebuilt from it.

    Attributes:
        folder: The study's folder.
    """

    folder: Path

    def identity(self, combination: str, repeat: str) -> dict[str, Any]:
        """The columns that say what the run in `<folder>/<combination>/<repeat>/` is.

        Raises:
            ValueError: If the study's file or the place does not tell.
        """
        try:
            if not (repeat.isdecimal() and str(int(repeat)) == repeat):
                raise ValueError(f"a repeat is a number, not {repeat!r}")
            index = int(combination) if combination.isdecimal() and str(int(combination)) == combination else None
            if index is None:
                removed = json.loads((self.folder / combination / CHOICE).read_bytes())
            else:
                removed = {layer: list(filters) for layer, filters in self._space.unrank(index).items()}
            return {
                **self._common,
                "combo": index,
                "removed": removed,
                "picked_by": None if index is not None else combination,
                "repeat": int(repeat),
                "seed": run_seed(self._content["definition"]["seed"], removed, int(repeat), "retrain"),
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{self.folder / combination / repeat} must be a run of its study: {type(error).__name__}: {error}"
            ) from None

    @cached_property
    def _content(self) -> dict[str, Any]:
        return json.loads((self.folder / STUDY_FILE).read_bytes())

    @cached_property
    def _space(self) -> CombinationSpace:
        definition = self._content["definition"]
        layers = tuple(LayerChoice(name, *counts) for name, counts in definition["layers"].items())
        return CombinationSpace(layers, definition["order"], definition["order_seed"] or 0)

    @cached_property
    def _common(self) -> dict[str, Any]:
        content, definition, config = self._content, self._content["definition"], self._content["config"]
        loaded = config["pretrain"]["checkpoint"] or config["pretrain"].get("weights")
        return {
            "schema": SCHEMA,
            "study": content["study"],
            "study_hash": content["hash"],
            "setting_hash": content["setting_hash"],
            "data": config["data"]["name"],
            "layers": list(definition["pruning_ratio"]),
            "space_size": self._space.recorded_size,
            "pretrain_seed": None if loaded else config["pretrain"]["seed"],
            **{name: definition[name] for name in ("model", "pruning_ratio", "wiring", "order", "retrain_fraction")},
            "dense_hash": definition["dense_hash"],
        }
