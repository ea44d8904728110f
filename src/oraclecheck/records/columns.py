"""The columns of the table of runs: names and order are the record's, and each has one dtype, whatever it came from.

Numbers that every run has are `int64`, those that a record may lack `float64` (NaN where absent) or `Int64` (NA where
absent). Everything else is `object`: `str`, `list`, `dict` or None, and in `combo` and `space_size` Python integers,
which may exceed 64 bits.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any

import pandas as pd

from oraclecheck.records.record import KINDS, Record, decode, encode

NAMES = tuple(column.name for column in fields(Record))
NESTED = frozenset(name for name, kinds in KINDS.items() if list in kinds or dict in kinds)
UNBOUNDED = frozenset({"combo", "space_size"})
ACCURACIES = tuple(name for name in NAMES if "accuracy" in name and not name.endswith("_std"))

UNFINISHED = "unfinished"
"""Status of a run that was begun and has no valid record: not an outcome. Tables know it, records never have it."""


def dtype_of(name: str) -> str:
    """The pandas dtype of a column."""
    kinds = KINDS[name]
    if float in kinds:
        return "float64"
    if int in kinds and name not in UNBOUNDED:
        return "int64" if name in ("schema", "repeat") else "Int64"
    return "object"


def table_of(columns: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """The table of runs, ordered by study, criterion that picked, combination and repeat.

    Args:
        columns: Every column's values, as Python objects; all of one length.
    """
    table = pd.DataFrame({name: pd.Series(columns[name], dtype=dtype_of(name)) for name in NAMES})
    return in_order(table)


def in_order(table: pd.DataFrame) -> pd.DataFrame:
    """The rows by study, criterion that picked the combination (none first), combination and repeat."""
    keys = zip(table["study"], table["picked_by"], table["combo"], table["repeat"], strict=True)
    places = [(study, picked_by or "", combo or 0, repeat) for study, picked_by, combo, repeat in keys]
    return table.iloc[sorted(range(len(places)), key=places.__getitem__)].reset_index(drop=True)


def table_of_rows(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The table of runs from rows; what a row lacks is what a record has by default."""
    return table_of({name: [row[name] if name in row else _default(name) for row in rows] for name in NAMES})


def row_of(record: Record) -> dict[str, Any]:
    """A record's row."""
    return {name: getattr(record, name) for name in NAMES}


def to_text(name: str, value: Any) -> str | None:
    """A value of a table's column as text, exact; None where there is none."""
    if name in NESTED:
        return json.dumps(encode(value), allow_nan=False)
    if value is None or value is pd.NA or value != value:  # NaN
        return None
    return repr(float(value)) if float in KINDS[name] else str(value)


def from_text(name: str, text: str) -> Any:
    """The value of a column that `to_text` made text of.

    Raises:
        ValueError: If it is not a value of that column.
    """
    kinds = KINDS[name]
    if name in NESTED:
        value = decode(json.loads(text), kinds)
        if not isinstance(value, kinds):
            raise ValueError("not JSON of the right kind")
        return value
    if float in kinds:
        return float(text)
    return int(text) if int in kinds else text


def _default(name: str) -> Any:
    return _DEFAULTS[name]() if name in _DEFAULTS else None


_DEFAULTS: dict[str, Callable[[], Any]] = {
    column.name: column.default_factory for column in fields(Record) if column.default_factory is not MISSING
}
