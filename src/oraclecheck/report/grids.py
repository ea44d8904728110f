"""Table 2 and Table A4 of paper 1: layers across, pruning ratios down, and the same grid with its uncertainty."""

import re
from collections.abc import Iterator
from typing import Any

import pandas as pd

from oraclecheck.analysis.criterion import ORACLE, Criterion
from oraclecheck.analysis.metrics import metric_name
from oraclecheck.analysis.rounding import p_value
from oraclecheck.analysis.statistics.correlation import VALID_P
from oraclecheck.analysis.statistics.multiplicity import holm
from oraclecheck.analysis.verdict import used_p
from oraclecheck.analysis.words import FOR_READERS, heading, in_reading_order, shared, spell, varying
from oraclecheck.report.cells import cells, definition, tau_and_p
from oraclecheck.report.typesetting import Layout

INVALID, CHANCE = "†", "‡"

_CELL = ["layers", "pruning_ratio"]
_SETTING = [name for name in FOR_READERS if name not in (*_CELL, "order")]
"""What is the same in all cells of a grid; a grid is made for each."""

_LINES = ("s", "95 %", "ceiling", "permuted p", "Holm p", "relation", "verdict")


def paper_grids(table: pd.DataFrame, criterion: Criterion = ORACLE) -> list[Layout]:
    """Tau / p of every layers and ratio, the invalid ones marked, as Table 2 (accuracy) and A4 (loss) print them.

    Marked are also the cells whose p is not below 0.05 when adjusted by Holm's method for all cells of the grid, which
    are of one metric and one wiring. A grid is made for each metric and setting of the rows of `tables.correlate` that
    has several layers or ratios, one study each.
    """
    note = (
        "tau / p; † invalid by Definition 3.1 of arXiv 2412.00143 ({sign} and p < 0.05 is valid), which is decided on "
        "unrounded values; ‡ p >= 0.05 when adjusted (Holm) for the {cells} cells of this table. p takes combinations "
        "as independent; they share filters."
    )
    grids = []
    for name, rows in _settings(table):
        rows = rows.assign(p_grid=holm(rows["p"]))
        sign = "tau < -0.2" if rows["metric"].iloc[0] == "accuracy" else "tau > 0.2"
        title, layers, body = _arranged(rows, criterion)
        lines = tuple((ratio, *map(_paper_cell, found)) for ratio, found in body)
        notes = (note.format(sign=sign, cells=rows["p"].count()),)
        grids.append(Layout(f"grid_{name}", title, ("ratio", *layers), lines, notes))
    return grids


def _paper_cell(row: pd.Series | None) -> str:
    if row is None:
        return ""
    marks = INVALID * (definition(row) == "invalid") + CHANCE * bool(row["p_grid"] >= VALID_P)
    return f"{tau_and_p(row)} {marks}".strip()


def honest_grids(table: pd.DataFrame, criterion: Criterion = ORACLE) -> list[Layout]:
    """The grids of `paper_grids` with what a reader needs to believe them: interval, ceiling, permuted p, verdict.

    The adjusted p is that of `verdict.used_p`, over all cells of the grid.
    """
    note = (
        "s: agreement, positive where the criterion points the right way; ceiling: the s that a perfect predictor "
        "would show through the retraining noise; permuted p: filters relabelled at random; Holm p: this p, or scipy's "
        "where it is not defined, adjusted for the {cells} cells of this table. Relation: agrees or opposes if "
        "the p adjusted for the settings of the whole report is < 0.05. Valid: it agrees and the interval lies above "
        "0.2; invalid: the noise-free agreement lies below 0.2 (inverse: below 0); else undecided, with the reason."
    )
    grids = []
    for name, rows in _settings(table):
        rows = rows.assign(p_grid=holm(used_p(rows)))
        title, layers, body = _arranged(rows, criterion)
        lines: list[tuple[str, ...]] = []
        for ratio, found in body:
            said = [{} if row is None else {**cells(row), "Holm p": p_value(row["p_grid"])} for row in found]
            lines += [()] if lines else []
            for line in _LINES:
                lines.append(("" if line != _LINES[0] else ratio, line, *(cell.get(line, "") for cell in said)))
        notes = (note.format(cells=rows["p_grid"].count()),)
        grids.append(Layout(f"honest_{name}", title, ("ratio", "", *layers), tuple(lines), notes, left=2))
    return grids


def _settings(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Rows of each metric and setting that make a grid: more than one cell, and one study a cell."""
    differing = [column for column in _SETTING if column in varying(table)]
    keys: list[Any] = [table["metric"], table["final"], *(table[column].map(str) for column in differing)]
    for key, rows in table.groupby(keys, sort=False):
        if len(rows) > 1 and not rows.duplicated(_CELL).any():
            words = [str(key[0]), *(str(word) for word in key[2:])]
            yield re.sub(r"[^\w.]+", "-", "_".join(words)), rows


def _arranged(rows: pd.DataFrame, criterion: Criterion) -> tuple[str, list[str], list[tuple[str, list[Any]]]]:
    """A grid's title, its layers, and each ratio with the rows of the layers; None where no study was made."""
    first = rows.iloc[0]
    setting = [f"{heading(c)} {spell(c, first[c])}" for c in shared(rows) if c in _SETTING]
    score = f"{criterion.score[0].upper()}{criterion.score[1:]}"
    title = f"{score} against {metric_name(first['final'], first['metric'])}: {', '.join(setting)}"
    layers = list(in_reading_order(rows[["layers"]])["layers"].unique())
    found = {(row["layers"], row["pruning_ratio"]): row for _, row in rows.iterrows()}
    ratios = sorted(rows["pruning_ratio"].unique())
    body = [(ratio, [found.get((name, ratio)) for name in layers]) for ratio in ratios]
    return title, [spell("layers", name) for name in layers], body
