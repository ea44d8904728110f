"""What a report says, as one W&B run: its table, its figures, and its scalars in the run's summary."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from oraclecheck.records.wandb import WandbSettings, lean_settings, quiet_environment, usable_mode

JOB_TYPE = "aggregate"
"""W&B's word for what the run does; `load_runs` passes such runs over."""


def log_aggregate(
    table: pd.DataFrame,
    figures: Sequence[Path],
    settings: WandbSettings,
    folder: Path,
    *,
    by: Sequence[str] = ("study", "final", "metric"),
    scalars: Sequence[str] = ("n", "k", "agreement", "tau", "p", "ceiling", "anomaly_ratio", "counterexample_ratio"),
) -> str:
    """Log a table and figures as one W&B run of job type "aggregate".

    Args:
        table: One row per study, or per study and metric, as `correlate` makes it.
        figures: PNG files; each is called as its file.
        settings: Where the run goes. Online falls back to offline where W&B cannot be reached, with a line on stderr.
        folder: Existing folder in whose `wandb/` an offline run is kept.
        by: Columns that name a row; a scalar's name in the summary is `<value>/.../<column>`.
        scalars: Columns that go into the summary, beside the whole table.

    Returns:
        Where to find it: a URL, or the folder that `wandb sync` uploads.

    Raises:
        ValueError: If a column or figure is missing, or W&B fails.
    """
    if absent := [name for name in (*by, *scalars) if name not in table.columns]:
        raise ValueError(f"the table to log must have the columns {', '.join((*by, *scalars))}; it lacks {absent[0]}")
    if wrong := [path for path in figures if path.suffix != ".png" or not path.is_file()]:
        raise ValueError(f"figures to log must be PNG files; got {wrong[0]}")
    quiet_environment()
    mode = usable_mode(settings.mode)
    import wandb

    try:
        run = wandb.init(
            project=settings.project,
            entity=settings.entity,
            mode=mode,  # type: ignore[arg-type]
            name=JOB_TYPE,
            job_type=JOB_TYPE,
            config={"studies": sorted({str(row[0]) for row in table[list(by)].itertuples(index=False)})},
            dir=folder.absolute(),
            settings=lean_settings(),
        )
        with run:
            images = {path.stem: wandb.Image(str(path)) for path in figures}
            # mixed: a column of numbers with an infinity, which W&B's JSON has only as a word
            columns: list[str | int] = [str(name) for name in table]
            cells = wandb.Table(columns=columns, data=_cells(table), allow_mixed_types=True)
            run.log({"table": cells, **images})
            run.summary.update(_scalars(table, by, scalars))
        return run.url or str(Path(run.dir).parent)
    except Exception as error:  # W&B's client raises whatever its transport or service does
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"W&B must take the aggregate; it failed: {reason}") from error


def _scalars(table: pd.DataFrame, by: Sequence[str], scalars: Sequence[str]) -> dict[str, Any]:
    rows = table[list(scalars)].astype(object)
    names = ["/".join(map(str, row)) for row in table[list(by)].itertuples(index=False)]
    values = {
        f"{name}/{column}": _plain(value)
        for name, row in zip(names, rows.to_dict("records"), strict=True)
        for column, value in row.items()
    }
    return {name: value for name, value in values.items() if value is not None}


def _cells(table: pd.DataFrame) -> list[Iterable[Any]]:
    return [[_plain(value) for value in row] for row in table.astype(object).to_numpy()]


def _plain(value: Any) -> Any:
    """A cell as a Python value that JSON has; None for NA and NaN."""
    if isinstance(value, list | tuple | dict):
        return str(value)
    if value is None or value is pd.NA or value != value:
        return None
    value = value.item() if hasattr(value, "item") else value
    return str(value) if isinstance(value, float) and math.isinf(value) else value
