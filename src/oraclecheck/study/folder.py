"""A study's folder: the file that says whose it is and what defines it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oraclecheck.files import create_json, read_file
from oraclecheck.study.identity import SCHEMA, Study

STUDY_FILE, TRAIN_EVAL_FILE = "study.json", "train_eval.json"
RUNS_FILE = "runs.parquet"
"""In the folder of a published study, all its runs instead of their records."""


def check_folder(folder: Path, study: Study) -> bool:
    """Whether the folder is this study's already.

    Raises:
        ValueError: If it was written by other settings or by a newer version.
    """
    path = folder / STUDY_FILE
    try:
        found = json.loads(read_file(path))
        schema, definition = found["identity"]["schema"], found["definition"]
    except FileNotFoundError:
        return False
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"paths.out must hold only folders of oraclecheck; {path} is not readable") from None
    if not isinstance(schema, int) or schema > SCHEMA:
        raise ValueError(
            f"paths.out must not hold studies of a newer oraclecheck; {path} has schema {schema}, this one writes "
            f"{SCHEMA}: upgrade, or choose another paths.out"
        )
    if definition != json.loads(json.dumps(study.definition)):
        raise ValueError(
            f"paths.out must not hold this study's folder written by other settings; in {path} "
            f"{_first_difference(definition, study.definition)}: choose another study or paths.out"
        )
    return True


def open_folder(
    folder: Path,
    study: Study,
    config: dict[str, Any],
    overrides: Sequence[str],
    train_eval_indices: Sequence[int] | None = None,
) -> None:
    """Make the folder this study's, with the command that first wrote to it.

    Args:
        folder: Where its records go.
        study: Whose it becomes.
        config: The command's configuration.
        overrides: The command's arguments, but for those that choose which runs to do and where copies go.
        train_eval_indices: The training images that training-set metrics are measured on, if they are not all.

    Raises:
        ValueError: See `check_folder`.
    """
    if check_folder(folder, study):
        return
    if train_eval_indices is not None:
        create_json(folder / TRAIN_EVAL_FILE, {"indices": list(train_eval_indices)})
    content = {"identity": study.columns, "definition": study.definition}
    if not create_json(folder / STUDY_FILE, {**content, "overrides": list(overrides), "config": config}):
        check_folder(folder, study)


def _first_difference(found: Any, expected: Any, key: str = "") -> str:
    if isinstance(found, dict) and isinstance(expected, dict):
        for name in sorted(found.keys() | expected.keys()):
            if found.get(name) != expected.get(name):
                return _first_difference(found.get(name), expected.get(name), f"{key}.{name}".lstrip("."))
    return f"{key or 'the definition'} is {found!r} instead of {expected!r}"


def read_studies(*sources: Path | str) -> dict[str, dict[str, Any]]:
    """Study -> its file's `definition`, `config` and `overrides`; unreadable files are left out.

    Args:
        *sources: Studies' folders and folders of studies; others, such as files of runs, hold none.
    """
    found = {}
    for source in map(Path, sources):
        for path in [source / STUDY_FILE, *sorted(source.glob(f"*/{STUDY_FILE}"))]:
            try:
                content = json.loads(read_file(path))
                kinds = {"definition": dict, "config": dict, "overrides": list}
                parts = {name: content[name] for name in kinds}
                fits = all(isinstance(parts[name], kind) for name, kind in kinds.items())
                if fits and all(isinstance(word, str) for word in parts["overrides"]):
                    found[str(content["identity"]["study"])] = parts
            except (OSError, ValueError, KeyError, TypeError):
                continue
    return found
