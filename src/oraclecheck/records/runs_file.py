"""Tables of runs in a CSV or Parquet file: those `save_runs` wrote, and points read off a published figure."""

import csv
import io
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from oraclecheck.errors import first_line
from oraclecheck.files import read_file, write_atomically
from oraclecheck.records.columns import ALWAYS, NAMES, NESTED, dtype_of, empty, from_text, to_text
from oraclecheck.records.frame import rows_of, table_of, table_of_rows, values_of
from oraclecheck.records.points import FINALS, SCORE, completed
from oraclecheck.records.record import KINDS, check_schema
from oraclecheck.records.siblings import deviations
from oraclecheck.records.validation import flaw_of
from oraclecheck.spelling import spell_value

SUFFIXES = (".csv", ".parquet")


def save_runs(runs: pd.DataFrame, path: Path | str) -> None:
    """Write a table of runs to a file that `load_runs` reads back identically, all of it or nothing.

    Nested columns become JSON and integers that may exceed 64 bits become digits; numbers stay numbers in Parquet.

    Args:
        runs: As `load_runs` gives it.
        path: Ends in `.csv` or `.parquet`.

    Raises:
        ValueError: If the path ends otherwise, or a column of a record is missing.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ValueError(f"the file for runs must end in {' or '.join(SUFFIXES)}; got {path}")
    if absent := [name for name in NAMES if name not in runs.columns]:
        raise ValueError(f"runs must have the columns of a record; got none called {', '.join(absent)}")
    if path.suffix == ".parquet":
        write_atomically(path, lambda file: write_parquet(runs, file))
        return
    text = io.StringIO(newline="")
    writer = csv.writer(text)  # its own line ends: with others it would not quote a carriage return
    writer.writerow(NAMES)
    writer.writerows(zip(*([to_text(name, value) for value in values_of(runs[name])] for name in NAMES), strict=True))
    write_atomically(path, lambda file: file.write(text.getvalue().encode()))


def write_parquet(runs: pd.DataFrame, file: Any) -> None:
    """Write a table of runs to an open file as Parquet."""
    import pyarrow as pa
    import pyarrow.parquet

    columns = {}
    for name in NAMES:
        dtype, values = dtype_of(name), values_of(runs[name])
        if dtype == "object":
            columns[name] = pa.array([to_text(name, value) for value in values], pa.string())
        else:
            columns[name] = pa.array(values, pa.type_for_alias(dtype.lower()))
    pyarrow.parquet.write_table(pa.table(columns), file, compression="zstd", store_schema=False, write_statistics=False)


def load_file(path: Path) -> pd.DataFrame:
    """The table of runs in a CSV or Parquet file.

    A file of points, which lacks most columns, is completed: see `points`. Unknown columns are named on stderr and left
    out.

    Raises:
        ValueError: If the file cannot be read, lacks those columns, or holds a value that no run could have, such as an
            accuracy in percent, or rows of one study that are of different ones.
    """
    try:
        cells = (_read_csv if path.suffix == ".csv" else _read_parquet)(read_file(path))
    except FileNotFoundError:
        raise ValueError(f"the file with runs must exist; got {path}") from None
    except (OSError, ValueError, TypeError, KeyError, NotImplementedError, csv.Error) as error:  # pyarrow's are all
        raise ValueError(f"{path} must be a {path.suffix[1:]} file: {first_line(error)}") from None
    if SCORE not in cells or cells.keys().isdisjoint(FINALS):
        raise ValueError(
            f"{path} must have the column {SCORE} and at least one of {', '.join(FINALS)}; got {', '.join(cells)}"
        )
    if unknown := [name for name in cells if name not in NAMES]:
        print(f"oraclecheck: {path}: left out unknown columns {', '.join(unknown)}", file=sys.stderr)
    rows = rows_of(completed(path, {name: _parsed(path, name, cells[name]) for name in NAMES if name in cells}))
    for number, row in enumerate(rows, 1):
        check_schema(row["schema"])
        if flaw := flaw_of(row):
            raise ValueError(f"{path}: {flaw} in row {number}")
    for number, (flaw, _) in deviations(rows).items():
        raise ValueError(f"{path}: {flaw} in row {number + 1}")
    return table_of_rows(rows)


def load_parquet(content: bytes) -> pd.DataFrame:
    """The table of runs that `write_parquet` made these bytes of.

    Raises:
        ValueError: If it did not.
    """
    cells = _read_parquet(content)
    return table_of({name: _parsed(Path(), name, cells[name]) for name in NAMES})


def _read_parquet(content: bytes) -> dict[str, list[Any]]:
    import pyarrow as pa
    import pyarrow.parquet

    table = pyarrow.parquet.ParquetFile(pa.BufferReader(content)).read()
    _check_header(table.column_names)
    return table.to_pydict()


def _read_csv(content: bytes) -> dict[str, list[Any]]:
    csv.field_size_limit(sys.maxsize)  # a history of hundreds of epochs exceeds the default of 128 KiB
    header, *rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))) or [[]]
    header, rows = [name.strip() for name in header], [row for row in rows if row]
    _check_header(header)
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise ValueError(f"row {number} has {len(row)} cells, the header {len(header)}")
    return {name: [row[i] for row in rows] for i, name in enumerate(header)}


def _check_header(names: Sequence[str]) -> None:
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"the column {twice[0]} appears twice")


def _parsed(path: Path, name: str, cells: Sequence[Any]) -> list[Any]:
    values = []
    for number, cell in enumerate(cells, 1):
        try:
            values.append(_value(name, cell))
        except (ValueError, TypeError, RecursionError):
            kind = "JSON" if name in NESTED else KINDS[name][0].__name__
            raise ValueError(f"{path}: {name} must be {kind}; got {spell_value(cell)} in row {number}") from None
    return values


def _value(name: str, cell: Any) -> Any:
    kinds = KINDS[name]
    if cell is None or cell == "" or cell != cell:
        if name in ALWAYS:
            raise ValueError
        return empty(name)
    if isinstance(cell, str):
        cell = from_text(name, cell)
    elif int in kinds and float not in kinds and isinstance(cell, float) and cell.is_integer():
        cell = int(cell)  # a column with gaps passed through pandas
    elif name in NESTED or not isinstance(cell, kinds) or isinstance(cell, bool):
        raise ValueError
    return cell
