"""The table of runs as pandas has it: one row per run, the record's columns with the dtypes of `columns`."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from oraclecheck.records.columns import NAMES, dtype_of, empty


def table_of(columns: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """The table of runs, in order, from every column's values as Python objects."""
    return in_order(pd.DataFrame({name: pd.Series(columns[name], dtype=dtype_of(name)) for name in NAMES}))


def table_of_rows(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The table of runs, in order, from rows of Python objects, which may lack columns."""
    return table_of({name: [row[name] if name in row else empty(name) for row in rows] for name in NAMES})


def rows_of(columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """The rows of columns that are all of one length."""
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def in_order(table: pd.DataFrame) -> pd.DataFrame:
    """The rows by study, criterion that picked the combination (none first), combination and repeat."""
    keys = zip(table["study"], table["picked_by"], table["combo"], table["repeat"], strict=True)
    places = [(study, picked_by or "", combo or 0, repeat) for study, picked_by, combo, repeat in keys]
    return table.iloc[sorted(range(len(places)), key=places.__getitem__)].reset_index(drop=True)


def values_of(column: pd.Series) -> list[Any]:
    """A column's values as Python objects, None where pandas has NA or NaN."""
    return [None if value is pd.NA or value != value else value for value in column]
