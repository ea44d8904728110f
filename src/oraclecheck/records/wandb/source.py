"""Runs on a W&B server: `wandb:ENTITY/PROJECT`, or `wandb:ENTITY/PROJECT/GROUP` for those of one study."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd

from oraclecheck.errors import first_line
from oraclecheck.records.frame import table_of_rows
from oraclecheck.records.wandb.columns import rows_of
from oraclecheck.records.wandb.server import quiet_wandb, server_trouble

PAGE = 1000
"""Runs a request: the most that W&B gives."""

REQUEST_SECONDS = 60
"""For one request, with all its retries: W&B's client waits as long as the server's Retry-After asks it to."""


def load_online(path: str) -> pd.DataFrame:
    """The table of the runs of a W&B project, in a request for each thousand of them and one to log in.

    Args:
        path: `ENTITY/PROJECT` or `ENTITY/PROJECT/GROUP`; a study's runs are a group, named like the study.

    Raises:
        ValueError: If the server or the API key is missing, there is no such project, or it has no runs of ours.
    """
    entity, _, rest = path.partition("/")
    project, _, group = rest.partition("/")
    if not (entity and project) or "/" in group:
        raise ValueError(f"wandb: must name ENTITY/PROJECT or ENTITY/PROJECT/GROUP; got {path!r}")
    with _environment_kept():
        if trouble := server_trouble():
            raise ValueError(f"wandb:{path} cannot be read: {trouble}")
        try:
            runs = _runs(entity, project, group)
        except Exception as error:  # W&B's client raises whatever its transport, parser or service does
            if "Could not find project" in str(error):
                reason = f"there is no project {entity}/{project} that this API key may read"
            else:
                reason = first_line(error)
            raise ValueError(f"wandb:{path} cannot be read: {reason}") from None
    rows = rows_of(runs)
    if not rows:
        raise ValueError(f"wandb:{path} must hold runs of oraclecheck; it has none")
    return table_of_rows(rows)


def _runs(entity: str, project: str, group: str) -> list[Any]:
    api = quiet_wandb().Api(overrides={"entity": entity}, timeout=REQUEST_SECONDS)  # else it asks for a default entity
    with tempfile.TemporaryDirectory() as folder:
        os.environ["WANDB_DIR"] = folder  # where W&B's client makes a folder for every run it lists
        filters = {"group": group} if group else {}
        found = api.runs(f"{entity}/{project}", filters=filters, per_page=PAGE, lazy=False)  # lazily: a request a run
        return [run for run in found if not group or run.group == group]


@contextmanager
def _environment_kept() -> Iterator[None]:
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)
