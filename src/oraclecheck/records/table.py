"""Records as a pandas table: one row per record, one column per name of the record's schema."""

import sys
from dataclasses import fields
from pathlib import Path

import pandas as pd

from oraclecheck.records.record import Record
from oraclecheck.records.store import read_record, record_files
from oraclecheck.study import STUDY_FILE


def load_runs(source: Path | str) -> pd.DataFrame:
    """All records of a study folder, or of a folder of studies.

    Unreadable records are named on stderr and left out; they count as missing.

    Args:
        source: The folder.

    Returns:
        One row per record, ordered by study, combination and repeat; `combo`, `removed` and the other structured
        columns hold plain Python objects, metrics are float64.

    Raises:
        ValueError: If there is no record.
    """
    root = Path(source)
    studies = [root] if (root / STUDY_FILE).is_file() else sorted(path.parent for path in root.glob(f"*/{STUDY_FILE}"))
    records = []
    for study in studies:
        for path in record_files(study):
            try:
                record = read_record(path)
                if record.study != study.name:
                    raise ValueError(f"{path} must be a record of its folder's study; it is of {record.study}")
                records.append(record)
            except ValueError as error:
                print(f"oraclecheck: left out: {error}", file=sys.stderr)
    if not records:
        raise ValueError(f"the source must be a study's folder or a folder of studies with records; got {root}")
    records.sort(key=lambda record: (record.study, record.picked_by or "", record.combo or 0, record.repeat))
    table = pd.DataFrame(
        [{column.name: getattr(record, column.name) for column in fields(Record)} for record in records]
    )
    for column in fields(Record):
        if column.type == float | None:
            table[column.name] = table[column.name].astype("float64")
    for name in ("combo", "space_size", "picked_by"):
        table[name] = pd.Series([getattr(record, name) for record in records], dtype=object)
    return table
