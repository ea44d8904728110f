"""A report as one W&B run, beside the runs that it is about: its tables, figures and files."""

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from oraclecheck.errors import first_line
from oraclecheck.records.wandb.server import WandbSettings, begin_run, quiet_wandb, server_trouble

JOB_TYPE = "aggregate"
"""W&B's word for what a run is; runs of the sweep have another, so that a report is never read as one of them."""


def usable_project(path: str) -> WandbSettings:
    """The project that a user names, once W&B is known to be there; offline where the user's $WANDB_MODE says so.

    Args:
        path: `PROJECT` or `ENTITY/PROJECT`.

    Raises:
        ValueError: If it is neither, or the server or the API key is missing.
    """
    entity, _, name = path.rpartition("/")
    if not name or "/" in entity or path.startswith("/"):
        raise ValueError(f"--wandb must be PROJECT or ENTITY/PROJECT; got {path!r}")
    mode = os.environ.get("WANDB_MODE", "online")
    if mode == "online" and (trouble := server_trouble()):
        raise ValueError(f"--wandb cannot be used: {trouble}; WANDB_MODE=offline keeps the report for `wandb sync`")
    return WandbSettings(mode, name, entity or None)


def publish(
    settings: WandbSettings,
    name: str,
    folder: Path,
    *,
    tables: Mapping[str, Iterable[Mapping[str, Any]]],
    scalars: Mapping[str, float],
    files: Sequence[Path],
) -> str:
    """Send a report; gives where it is to be found.

    Args:
        settings: From `usable_project`.
        name: What the run is called.
        folder: The report's folder, where W&B keeps its own copy in `wandb/`.
        tables: Name -> rows of JSON values, each with the same columns.
        scalars: Name -> number; they go into the run's summary, where W&B's panels find them.
        files: What was written; the PNG files are shown as images too.

    Raises:
        ValueError: If W&B fails.
    """
    wandb = quiet_wandb()
    run: Any = None
    try:
        run = begin_run(settings, folder, name=name, job_type=JOB_TYPE)
        content: dict[str, Any] = {}
        for title, rows in tables.items():
            listed = list(rows)
            names = list(listed[0]) if listed else []
            cells = [[_cell(row[name]) for name in names] for row in listed]
            content[title] = wandb.Table(columns=names, data=cells, allow_mixed_types=True)
        images = {_key(path, folder): wandb.Image(str(path)) for path in files if path.suffix == ".png"}
        run.log({**content, **images})
        run.summary.update(scalars)
        artifact = wandb.Artifact("report", type="report")
        for path in files:
            artifact.add_file(str(path), name=_key(path, folder) + path.suffix)
        run.log_artifact(artifact)
        where = run.url or str(Path(run.dir).parent)
        run.finish()
    except Exception as error:  # W&B raises whatever its transport, service or server does
        with suppress(Exception):
            run.finish(exit_code=1)
        raise ValueError(f"the report is written, but W&B did not take it: {first_line(error)}") from None
    return where


def _cell(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _key(path: Path, folder: Path) -> str:
    """A file's name in the report: its path below the folder, or beside it, without its ending."""
    shown = path.relative_to(folder) if path.is_relative_to(folder) else Path(path.parent.parent.name, path.name)
    return shown.with_suffix("").as_posix()
