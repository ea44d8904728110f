"""The page's table of all numbers: what a row is about and its s first, means over networks above their studies."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from oraclecheck.analysis.rounding import magnitude
from oraclecheck.analysis.words import spell, varying
from oraclecheck.report.cells import verdict
from oraclecheck.report.findings import Findings
from oraclecheck.report.page.columns import GROUPS, Column
from oraclecheck.report.page.verdicts import distinct_titles

MEAN = "mean"

_LACKING = {"missing": "missing", "failed": "failed", "unfinished": "unfinished", "left_out": "left out"}


@dataclass(frozen=True)
class Numbers:
    """The table as it is printed.

    Attributes:
        columns: In their order.
        shown: Names of those that are there unasked.
        leading: How many columns say what a row is about: they stay in view beside the others.
        rows: Kind of row ("mean" or "study") and its cells, each with text, interval and what it is sorted by.
    """

    columns: tuple[Column, ...]
    shown: frozenset[str]
    leading: int
    rows: tuple[tuple[str, list[tuple[str, str, str]]], ...]


def numbers(findings: Findings) -> Numbers:
    """The table of all studies, and of the means over their dense networks."""
    table = findings.table.assign(lacking=[lacking(row) for _, row in findings.table.iterrows()])
    known = {column.name: column for group in GROUPS.values() for column in group}
    leading = [*telling_apart(findings.table), "metric", "agreement"]
    columns = tuple(known[name] for name in [*leading, *(name for name in known if name not in leading)])
    shown = frozenset([*leading, *(name for name, column in known.items() if column.at_first(table))])
    apart = leading[:-2]
    rows = [(MEAN, _cells(row, columns, apart)) for row in _means(findings.networks)]
    rows += [("study", _cells(dict(row), columns, apart)) for _, row in table.iterrows()]
    return Numbers(columns, shown, len(leading), tuple(rows))


def telling_apart(table: pd.DataFrame) -> list[str]:
    """The columns that say which study a row is about: what differs, and the name where that is not enough."""
    if table["study"].nunique() < 2:
        return []
    names = varying(table.drop_duplicates("study"))
    called = [
        ", ".join(spell(name, row[name]) for name in names) for _, row in table.drop_duplicates("study").iterrows()
    ]
    by_name = set(distinct_titles(table).values()) & set(table["study"])
    return [*names, "study"] if by_name or len(set(called)) < len(called) else names


def lacking(row: Mapping[str, Any] | pd.Series) -> str:
    """What the numbers of a study lack, in a few words; empty if nothing."""
    counts = {words: row.get(name) for name, words in _LACKING.items()}
    return ", ".join(f"{magnitude(int(n))} {words}" for words, n in counts.items() if pd.notna(n) and n)


def _means(networks: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for _, row in networks.iterrows():
        yield {**dict(row), "study": MEAN, "pretrain_seed": MEAN, "n": f"{row['networks']} networks"}


def _cells(row: Mapping[str, Any], columns: tuple[Column, ...], apart: list[str]) -> list[tuple[str, str, str]]:
    cells = []
    for column in columns:
        value = row.get(column.name)
        if column.name in apart:
            text = str(value) if column.name == "study" else spell(column.name, value)
        elif column.name == "verdict":
            text = verdict(pd.Series(row))
        elif isinstance(value, str):
            text = value
        else:
            text = column.text(row)
        key = "" if isinstance(value, str) else column.sort_key(row)
        cells.append((text, column.interval(row), key))
    return cells
