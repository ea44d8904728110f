"""Runs as a pandas table: one row per run, one column per name of the record's schema, from wherever they lie."""

import os
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from oraclecheck.records.columns import NAMES, to_text
from oraclecheck.records.folder import load_study
from oraclecheck.records.frame import in_order, rows_of, values_of
from oraclecheck.records.run_folders import places
from oraclecheck.records.runs_file import SUFFIXES, load_file
from oraclecheck.records.siblings import deviations
from oraclecheck.records.validation import UNFINISHED
from oraclecheck.records.wandb.source import load_online
from oraclecheck.study.folder import STUDY_FILE
from oraclecheck.study.identity import ONE_RUN

Source = Path | str


def load_runs(*sources: Source | Iterable[Source]) -> pd.DataFrame:
    """The runs of all sources as one table; the same runs give the same table wherever they are read from.

    Args:
        *sources: Each a study's folder, a folder of studies, a `.csv` or `.parquet` file (`save_runs` writes them; see
            `points.completed` for files of points), `wandb:ENTITY/PROJECT[/GROUP]` (a W&B server's runs), or a list
            of such sources.

    Returns:
        One row per run, ordered by study, combination and repeat, those a criterion picked last in their study; the
        columns are a record's, their dtypes those of `records.columns`. A run that was begun and has no valid record
        has status "unfinished" and no metrics. A run that several sources hold is there once.

    Raises:
        ValueError: If a source cannot be read or has no runs, or two sources hold different records of one run.
    """
    flat = [one for given in sources for one in ([given] if isinstance(given, Path | str) else given)]
    if not flat:
        raise ValueError("runs must have at least one source; got none")
    tables = [_load(source) for source in flat]
    firsts = pd.concat([table.drop_duplicates("study") for table in tables])
    rows = rows_of({name: values_of(firsts[name]) for name in NAMES})
    for number, (flaw, _) in deviations(rows).items():  # each source has told its own studies apart
        raise ValueError(f"sources must agree on what {rows[number]['study']} is; {flaw}")
    return _each_run_once(pd.concat(tables, ignore_index=True))


def _load(source: Source) -> pd.DataFrame:
    scheme, _, rest = str(source).partition(":")
    if scheme == "wandb":
        return load_online(rest)
    root = Path(source)
    if root.suffix in SUFFIXES and not root.is_dir():
        return load_file(root)
    # whatever the study's file is, a folder that has one is a study's, and is never passed over in silence
    is_study = os.path.lexists(root / STUDY_FILE)
    studies = [root] if is_study else sorted(path.parent for path in root.glob(f"*/{STUDY_FILE}"))
    for folder in [] if is_study or not root.is_dir() else [root, *sorted(root.iterdir())]:
        if folder not in studies and folder.is_dir() and any(state for _, _, state in places(folder)):
            raise ValueError(
                f"{folder / STUDY_FILE} must be there beside its records; it is not: the sweep's command writes it anew"
            )
    tables = [table for study in studies if len(table := load_study(study))]
    if not tables:
        raise ValueError(
            "the source must be a study's folder or a folder of studies with records, a .csv or .parquet file, or "
            f"wandb:ENTITY/PROJECT; got {root}"
        )
    return pd.concat(tables, ignore_index=True)


def _each_run_once(table: pd.DataFrame) -> pd.DataFrame:
    """The rows in order, each run once: a record before a mark that its run is unfinished."""
    kept: dict[tuple[Any, ...], int] = {}
    for row, key in enumerate(zip(*(table[name] for name in ONE_RUN), strict=True)):
        known = kept.setdefault(key, row)
        if known == row or table["status"].iat[row] == UNFINISHED:
            continue
        if table["status"].iat[known] == UNFINISHED:
            kept[key] = row
        else:
            _check_same(table.iloc[[known, row]])
    return in_order(table.iloc[list(kept.values())] if len(kept) < len(table) else table)


def _check_same(pair: pd.DataFrame) -> None:
    for name in NAMES:
        one, other = (to_text(name, value) for value in values_of(pair[name]))
        if one != other:
            first = pair.iloc[0]
            run = f"combination {first['picked_by'] or first['combo']}, repeat {first['repeat']} of {first['study']}"
            spelt = " and ".join(textwrap.shorten(text or "nothing", 80) for text in (one, other))
            raise ValueError(f"sources must agree on the runs they share; {run} differs in {name}: {spelt}")
