"""A study: everything that is fixed while combinations and repeats vary."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from oraclecheck.files import create_json, digest, read_file, write_json
from oraclecheck.pruning.space import CombinationSpace
from oraclecheck.records.record import SCHEMA

STUDY_FILE, TRAIN_EVAL_FILE = "study.json", "train_eval.json"

DENSE = "dense_hash"
"""The key of a definition that says which dense network it is, the only one that does."""


@dataclass(frozen=True)
class Study:
    """A study's identity.

    Attributes:
        label: What people call it, the first part of its folder's name.
        definition: What defines it, JSON-serialisable; two commands with equal definitions add to the same study.
        space: Its combinations.
    """

    label: str
    definition: dict[str, Any]
    space: CombinationSpace

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the definition."""
        return digest(self.definition)

    @cached_property
    def setting_hash(self) -> str:
        """SHA-256 of the definition without the dense network: studies that share it differ in nothing else."""
        return digest({name: value for name, value in self.definition.items() if name != DENSE})

    @property
    def name(self) -> str:
        """Name of the study's folder."""
        return f"{self.label}-{self.hash[:8]}"

    def check(self, folder: Path) -> bool:
        """Whether the folder is this study's already.

        Raises:
            ValueError: If it was written by other settings or by a newer version.
        """
        path = folder / STUDY_FILE
        try:
            found = json.loads(read_file(path))
            schema, definition = found["schema"], found["definition"]
        except FileNotFoundError:
            return False
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"paths.out must hold only folders of oraclecheck; {path} is not readable") from None
        if not isinstance(schema, int) or schema > SCHEMA:
            raise ValueError(
                f"paths.out must not hold studies of a newer oraclecheck; {path} has schema {schema}, this one writes "
                f"{SCHEMA}: upgrade, or choose another paths.out"
            )
        if definition != json.loads(json.dumps(self.definition)):
            raise ValueError(
                f"paths.out must not hold this study's folder written by other settings; in {path} "
                f"{_first_difference(definition, self.definition)}: choose another study or paths.out"
            )
        return True

    def open(self, folder: Path, config: dict[str, Any], train_eval_indices: list[int] | None = None) -> None:
        """Make the folder this study's, with the configuration that first wrote to it.

        Args:
            folder: Where its records go.
            config: See above.
            train_eval_indices: The training images that training-set metrics are measured on, if they are not all.

        Raises:
            ValueError: See `check`.
        """
        if not self.check(folder):
            if train_eval_indices is not None:
                write_json(folder / TRAIN_EVAL_FILE, {"indices": train_eval_indices})
            hashes = {"hash": self.hash, "setting_hash": self.setting_hash}
            content = {"schema": SCHEMA, "study": self.name, **hashes, "definition": self.definition}
            if not create_json(folder / STUDY_FILE, {**content, "config": config}):
                self.check(folder)


def _first_difference(found: Any, expected: Any, key: str = "") -> str:
    if isinstance(found, dict) and isinstance(expected, dict):
        for name in sorted(found.keys() | expected.keys()):
            if found.get(name) != expected.get(name):
                return _first_difference(found.get(name), expected.get(name), f"{key}.{name}".lstrip("."))
    return f"{key or 'the definition'} is {found!r} instead of {expected!r}"


def differences(definitions: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Dotted key -> its value in each of several definitions, where they differ in more than the dense network.

    A definition that lacks a key has None there.
    """
    leaves = [{key: value for key, value in _leaves(one) if key != DENSE} for one in definitions]
    keys = dict.fromkeys(key for one in leaves for key in one)
    values = {key: [one.get(key) for one in leaves] for key in keys}
    return {key: found for key, found in values.items() if any(value != found[0] for value in found)}


def _leaves(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, item in value.items():
        if isinstance(item, Mapping):
            yield from _leaves(item, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", item


def read_settings(*sources: Path | str) -> dict[str, dict[str, Any]]:
    """What the study files in some folders say: study -> its `definition` and `config`; unreadable files are left out.

    Args:
        *sources: Studies' folders and folders of studies; others, such as files of runs, hold none.
    """
    found = {}
    for source in map(Path, sources):
        for path in [source / STUDY_FILE, *sorted(source.glob(f"*/{STUDY_FILE}"))]:
            try:
                content = json.loads(read_file(path))
                found[str(content["study"])] = {name: dict(content[name]) for name in ("definition", "config")}
            except (OSError, ValueError, KeyError, TypeError):
                continue
    return found
