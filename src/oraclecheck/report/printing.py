"""What a report prints: tables that fit the terminal, or one document and nothing else."""

import json
import sys
from collections.abc import Sequence
from typing import Any

import pandas as pd
from rich.console import Console

from oraclecheck.files import encoded
from oraclecheck.report.criteria import CriteriaFindings
from oraclecheck.report.findings import Findings
from oraclecheck.report.grids import paper_grids
from oraclecheck.report.layouts import COLUMNS, FEWER, FEWEST
from oraclecheck.report.pipelines import PipelineFindings
from oraclecheck.report.typesetting import Layout, latex, markdown, terminal, terminal_cells

# Where there is no terminal to ask for its width (a pipe, a log file), tables are as wide as they need to be.
_LOG_COLUMNS, _MOST_COLUMNS = 100, 1000


def print_findings(findings: Findings, form: str) -> None:
    """Print the report's tables on stdout.

    Args:
        findings: What is known.
        form: "table": for the terminal; "md", "latex": the printed tables; "csv", "json": unrounded numbers, as CSV of
            the comparison if there is one, as JSON `studies`, `networks`, and `comparison` if there is one (what is not
            defined is null, what is infinite "inf" or "-inf").
    """
    if form in ("md", "latex"):
        typeset = markdown if form == "md" else latex
        layouts = [*findings.compared(), findings.summary(), *findings.settings(), *findings.grids()]
        layouts += findings.further()
        print("\n".join(typeset(layout) for layout in layouts), end="")
    elif form == "csv":
        rows = findings.comparison if findings.comparison is not None else _concatenated(findings)
        print(rows.to_csv(index=False), end="")
    elif form == "json":
        print(json.dumps(json_tables(findings), indent=1, allow_nan=False))
    else:
        _print_tables(findings)


def json_tables(findings: Findings) -> dict[str, list[dict[str, Any]]]:
    """The tables of a report as JSON values, unrounded; see `print_findings`."""
    parts = {"studies": findings.rows, "networks": findings.means, "comparison": findings.comparison}
    return {name: _records(rows) for name, rows in parts.items() if rows is not None}


def print_compared(findings: CriteriaFindings | PipelineFindings, form: str) -> None:
    """Print what is known of several criteria, or of several pipelines, on stdout.

    Args:
        findings: What is known.
        form: As for `print_findings`; "csv" is the first of its `tables`, "json" holds all of them.
    """
    layouts = findings.layouts()
    if form in ("md", "latex"):
        print("\n".join((markdown if form == "md" else latex)(layout) for layout in layouts), end="")
    elif form == "csv":
        print(next(iter(findings.tables().values())).to_csv(index=False), end="")
    elif form == "json":
        print(json.dumps(json_compared(findings), indent=1, allow_nan=False))
    else:
        print_layouts(layouts)


def json_compared(findings: CriteriaFindings | PipelineFindings) -> dict[str, list[dict[str, Any]]]:
    """The tables of several criteria or pipelines as JSON values, unrounded; those of means follow those of studies."""
    return {name: _records(rows) for name, rows in findings.tables().items()}


def print_layouts(layouts: Sequence[Layout]) -> None:
    """Print tables for the terminal, as wide as they need to be where there is none."""
    console = Console()
    options = console.options.update(max_width=_MOST_COLUMNS)
    widest = max(console.measure(terminal_cells(layout), options=options).maximum for layout in layouts)
    console = Console(width=max(widest, console.width if sys.stdout.isatty() else _LOG_COLUMNS))
    for layout in layouts:
        console.print(terminal(layout))


def _concatenated(findings: Findings) -> pd.DataFrame:
    """Studies and means in one table; counts stay whole numbers where a mean has none."""
    parts = [rows for rows in (findings.rows, findings.means) if len(rows)]
    whole = [dict.fromkeys(rows.select_dtypes("integer").columns, "Int64") for rows in parts]
    return pd.concat([rows.astype(types) for rows, types in zip(parts, whole, strict=True)], ignore_index=True)


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows at full precision (pandas' own writer of JSON rounds p = 1e-20 to 0)."""
    return encoded(rows.astype(object).where(rows.notna(), None).to_dict("records"), undefined=None)


def _print_tables(findings: Findings) -> None:
    console = Console()
    options = console.options.update(max_width=_MOST_COLUMNS)
    summaries = [findings.summary(columns) for columns in (COLUMNS, FEWER, FEWEST)]
    measured = [console.measure(terminal_cells(layout), options=options) for layout in summaries]
    if not sys.stdout.isatty():
        console = Console(width=max(_LOG_COLUMNS, measured[0].maximum))
    # Unfolded if any is narrow enough, else with its words folded; else the terminal breaks lines, and nothing is lost.
    widths = [*(width.maximum for width in measured), *(width.minimum for width in measured)]
    chosen = next((i for i, width in enumerate(widths) if width <= console.width), len(widths) - 1)
    console = Console(width=max(console.width, widths[chosen]))
    summary = summaries[chosen % len(summaries)]
    grids = paper_grids(findings.table, findings.criterion, networks=findings.networks)
    for layout in (summary, *findings.settings(), *grids, *findings.compared(), *findings.further()):
        console.print(terminal(layout))
