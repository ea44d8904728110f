"""Table 2 and Table A4 of paper 1: layers across, pruning ratios down, and the same grid with its uncertainty."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from oraclecheck.analysis.criterion import ORACLE, Criterion
from oraclecheck.analysis.metrics import metric_name
from oraclecheck.analysis.rounding import agreement, agreement_interval, decimal, p_value
from oraclecheck.analysis.statistics.correlation import VALID_P
from oraclecheck.analysis.verdict import holm, used_p
from oraclecheck.analysis.words import FOR_READERS, heading, in_reading_order, shared, spell, varying
from oraclecheck.report.cells import definition, tau_and_p, verdict
from oraclecheck.report.typesetting import Layout

INVALID, CHANCE = "†", "‡"

_CELL = ["layers", "pruning_ratio"]
_SETTING = [name for name in FOR_READERS if name not in (*_CELL, "order")]
"""What is the same in all cells of a grid; a grid is made for each."""


def paper_grids(table: pd.DataFrame, criterion: Criterion = ORACLE) -> list[Layout]:
    """Tau / p of every layers and ratio, the invalid ones marked, as Table 2 (accuracy) and A4 (loss) print them.

    Marked are also the cells whose p is not below 0.05 when adjusted by Holm's method for all cells of the grid, which
    are of one metric and one wiring.

    Args:
        table: Rows of `tables.correlate`.
        criterion: What they are about.

    Returns:
        One layout for each metric and setting that has several layers or ratios, one study each.
    """
    note = (
        "tau / p; † invalid by Definition 3.1 of arXiv 2412.00143 ({sign} and p < 0.05 is valid), which is decided on "
        "unrounded values; ‡ p >= 0.05 when adjusted (Holm) for the {cells} cells of this table. p takes combinations "
        "as independent; they share filters."
    )
    grids = []
    for name, rows in _settings(table):
        sign = "tau < -0.2" if rows["metric"].iloc[0] == "accuracy" else "tau > 0.2"
        body = [(ratio, *cells) for ratio, cells in _cells(rows.assign(p_grid=holm(rows["p"])), _paper_cell)]
        notes = (note.format(sign=sign, cells=rows["p"].count()),)
        grids.append(Layout(f"grid_{name}", _title(rows, criterion), _headings(rows), tuple(body), notes))
    return grids


def _paper_cell(row: pd.Series) -> str:
    marks = INVALID * (definition(row) == "invalid") + CHANCE * bool(row["p_grid"] >= VALID_P)
    return f"{tau_and_p(row)} {marks}".strip()


def honest_grids(table: pd.DataFrame, criterion: Criterion = ORACLE) -> list[Layout]:
    """The grids of `paper_grids` with what a reader needs to believe them: interval, ceiling, permuted p, verdict.

    The adjusted p is that of `verdict.used_p`, over all cells of the grid.
    """
    lines: dict[str, Callable[[pd.Series], str]] = {
        "s": lambda row: agreement(row["agreement"]),
        "95 %": lambda row: agreement_interval(row["agreement_low"], row["agreement_high"]),
        "ceiling": lambda row: decimal(row["ceiling"]),
        "permuted p": lambda row: p_value(row["p_permutation"]),
        "Holm p": lambda row: p_value(row["p_grid"]),
        "verdict": verdict,
    }
    note = (
        "s: agreement, positive where the criterion points the right way; ceiling: the s that a perfect predictor "
        "would show through the retraining noise; permuted p: filters relabelled at random; Holm p: this p, or scipy's "
        "where it is not defined, adjusted for the {cells} cells of this table. Valid: the interval lies above 0.2 and "
        "the adjusted p < 0.05; invalid: the noise-free agreement lies below 0.2; else undecided, with the reason."
    )
    grids = []
    for name, rows in _settings(table):
        body: list[tuple[str, ...]] = []
        rows = rows.assign(p_grid=holm(used_p(rows)))
        blocks = [_cells(rows, line) for line in lines.values()]
        for block in zip(*blocks, strict=True):
            body += [()] if body else []
            for i, (line, (ratio, cells)) in enumerate(zip(lines, block, strict=True)):
                body.append(("" if i else ratio, line, *cells))
        head, notes = _headings(rows), (note.format(cells=rows["p_grid"].count()),)
        layout = Layout(f"honest_{name}", _title(rows, criterion), (head[0], "", *head[1:]), tuple(body), notes, left=2)
        grids.append(layout)
    return grids


def _settings(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Rows of each metric and setting that make a grid: more than one cell, and one study a cell."""
    differing = [column for column in _SETTING if column in varying(table)]
    keys: list[Any] = [table["metric"], table["final"], *(table[column].map(str) for column in differing)]
    for key, rows in table.groupby(keys, sort=False):
        if len(rows) > 1 and not rows.duplicated(_CELL).any():
            words = [str(key[0]), *(str(word) for word in key[2:])]
            yield re.sub(r"[^\w.]+", "-", "_".join(words)), rows


def _title(rows: pd.DataFrame, criterion: Criterion) -> str:
    row = rows.iloc[0]
    setting = [f"{heading(c)} {spell(c, row[c])}" for c in shared(rows) if c in _SETTING]
    score = f"{criterion.score[0].upper()}{criterion.score[1:]}"
    return f"{score} against {metric_name(row['final'], row['metric'])}: {', '.join(setting)}"


def _headings(rows: pd.DataFrame) -> tuple[str, ...]:
    return ("ratio", *(spell("layers", layers) for layers in _layers(rows)))


def _cells(rows: pd.DataFrame, cell: Callable[[pd.Series], str]) -> list[tuple[str, list[str]]]:
    """Each ratio with the cells of its row; empty where no study was made."""
    found = {(row["layers"], row["pruning_ratio"]): cell(row) for _, row in rows.iterrows()}
    ratios = sorted(rows["pruning_ratio"].unique())
    return [(ratio, [found.get((name, ratio), "") for name in _layers(rows)]) for ratio in ratios]


def _layers(rows: pd.DataFrame) -> list[str]:
    return list(in_reading_order(rows[["layers"]])["layers"].unique())
