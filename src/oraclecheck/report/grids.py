"""Table 2 and Table A4 of paper 1: layers across, pruning ratios down, and the same grid with its uncertainty."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd

from oraclecheck.analysis.criterion import ORACLE, Criterion
from oraclecheck.analysis.metrics import HIGHER_IS_BETTER, metric_name
from oraclecheck.analysis.networks import across_networks
from oraclecheck.analysis.rounding import decimal, p_value
from oraclecheck.analysis.statistics.correlation import VALID_P
from oraclecheck.analysis.statistics.multiplicity import holm
from oraclecheck.analysis.verdict import used_p
from oraclecheck.analysis.words import FOR_READERS, heading, in_reading_order, shared, spell, varying
from oraclecheck.report.cells import cells, definition, tau_and_p
from oraclecheck.report.typesetting import Layout

INVALID, CHANCE = "†", "‡"

_CELL = ["layers", "pruning_ratio"]
_SETTING = [name for name in FOR_READERS if name not in (*_CELL, "order", "pretrain_seed")]
"""What is the same in all cells of a grid; a grid is made for each."""

_LINES = ("s", "95 %", "ceiling", "permuted p", "Holm p", "relation", "verdict")


class _Grid(NamedTuple):
    """The cells of one grid: rows of `correlate`, or of `across_networks` where several dense networks share one."""

    name: str
    studies: pd.DataFrame
    cells: dict[tuple[str, str], pd.Series]

    @property
    def has_means(self) -> bool:
        return any("networks" in cell for cell in self.cells.values())


def paper_grids(
    table: pd.DataFrame, criterion: Criterion = ORACLE, *, networks: pd.DataFrame | None = None
) -> list[Layout]:
    """Tau / p of every layers and ratio, the invalid ones marked, as Table 2 (accuracy) and A4 (loss) print them.

    Marked are also the cells whose p is not below 0.05 when adjusted by Holm's method for all cells of the grid, which
    are of one metric and one wiring. A grid is made for each metric and setting of the rows of `tables.correlate` that
    has several layers or ratios. A cell is one study, or the mean over the dense networks of one setting.

    Args:
        table: Rows of `tables.correlate`.
        criterion: What they judge.
        networks: Their rows of `across_networks`; None computes them.
    """
    note = (
        "tau / p; † invalid by Definition 3.1 of arXiv 2412.00143 ({sign} and p < 0.05 is valid), which is decided on "
        "unrounded values; ‡ p >= 0.05 when adjusted (Holm) for the {cells} cells of this table. p takes combinations "
        "as independent; they share filters."
    )
    of_means = "(1/3): mean tau of 3 dense networks, 1 of them valid by Definition 3.1; its p is that of a t-test."
    grids = []
    for grid in _grids(table, networks):
        adjusted = holm(pd.Series({key: row["p"] for key, row in grid.cells.items()}, dtype=float))
        sign = "tau < -0.2" if grid.studies["metric"].iloc[0] == "accuracy" else "tau > 0.2"
        title, layers, body = _arranged(grid, criterion)
        lines = []
        for ratio, keys in body:
            said = (_paper_cell(grid.cells[key], adjusted[key], table) if key in grid.cells else "" for key in keys)
            lines.append((ratio, *said))
        notes = [note.format(sign=sign, cells=adjusted.count()), *([of_means] if grid.has_means else [])]
        grids.append(Layout(f"grid_{grid.name}", title, ("ratio", *layers), tuple(lines), tuple(notes)))
    return grids


def _paper_cell(row: pd.Series, p_adjusted: float, table: pd.DataFrame) -> str:
    chance = CHANCE * bool(p_adjusted >= VALID_P)
    if "networks" not in row:
        return f"{tau_and_p(row)} {INVALID * (definition(row) == 'invalid')}{chance}".strip()
    tau = -row["agreement"] if HIGHER_IS_BETTER[row["metric"]] else row["agreement"]
    joined = table[table["study"].isin(row["studies"]) & (table["metric"] == row["metric"])]
    valid = f"({joined['valid'].fillna(False).sum()}/{row['networks']})"
    return f"{decimal(tau)} / {p_value(row['p'])} {valid} {chance}".strip()


def honest_grids(
    table: pd.DataFrame, criterion: Criterion = ORACLE, *, networks: pd.DataFrame | None = None
) -> list[Layout]:
    """The grids of `paper_grids` with what a reader needs to believe them: interval, ceiling, permuted p, verdict.

    The adjusted p is that of `verdict.used_p`, of means that of a t-test over networks, over all cells of the grid.
    """
    note = (
        "s: agreement, positive where the criterion points the right way; ceiling: the s that a perfect predictor "
        "would show through the retraining noise; permuted p: filters relabelled at random; Holm p: this p, or scipy's "
        "where it is not defined, adjusted for the {cells} cells of this table. Relation: agrees or opposes if "
        "the p adjusted for the settings of the whole report is < 0.05. Valid: it agrees and the interval lies above "
        "0.2; invalid: the noise-free agreement lies below 0.2 (inverse: below 0); else undecided, with the reason."
    )
    of_means = "Several dense networks: their mean s with its t-interval; the p that is adjusted is that of a t-test."
    grids = []
    for grid in _grids(table.assign(p_judging=used_p(table)), networks):
        judged_by = {key: row.get("p_judging", row["p"]) for key, row in grid.cells.items()}
        adjusted = holm(pd.Series(judged_by, dtype=float))
        title, layers, body = _arranged(grid, criterion)
        lines: list[tuple[str, ...]] = []
        for ratio, keys in body:
            said = [
                {**cells(grid.cells[key]), "Holm p": p_value(adjusted[key])} if key in grid.cells else {}
                for key in keys
            ]
            lines += [()] if lines else []
            for number, line in enumerate(("n", *_LINES) if grid.has_means else _LINES):
                lines.append(("" if number else ratio, line, *(cell.get(line, "") for cell in said)))
        notes = [note.format(cells=adjusted.count()), *([of_means] if grid.has_means else [])]
        headings = ("ratio", "", *layers)
        grids.append(Layout(f"honest_{grid.name}", title, headings, tuple(lines), tuple(notes), left=2))
    return grids


def _grids(table: pd.DataFrame, networks: pd.DataFrame | None) -> Iterator[_Grid]:
    """Rows of each metric and setting that make a grid: more than one cell, and one study or one mean a cell."""
    means = across_networks(table) if networks is None else networks
    differing = [column for column in _SETTING if column in varying(table)]
    keys: list[Any] = [table["metric"], table["final"], *(table[column].map(str) for column in differing)]
    for key, rows in table.groupby(keys, sort=False):
        studies: dict[Any, pd.DataFrame] = dict(iter(rows.groupby(_CELL, sort=False)))
        found = {cell: row for cell, of in studies.items() if (row := _one_row(of, means)) is not None}
        if len(found) == len(studies) > 1:
            words = [str(key[0]), *(str(word) for word in key[2:])]
            yield _Grid(re.sub(r"[^\w.]+", "-", "_".join(words)), rows, found)


def _one_row(studies: pd.DataFrame, means: pd.DataFrame) -> pd.Series | None:
    """The study of a cell, or the mean over its dense networks; None if it has several that no mean joins."""
    if len(studies) == 1:
        return studies.iloc[0]
    names, metric = set(studies["study"]), studies["metric"].iloc[0]
    joining = [
        mean
        for _, mean in means.iterrows()
        if mean["metric"] == metric and names & set(mean["studies"]) and not pd.isna(mean["agreement"])
    ]
    left_out = names.difference(*(mean["studies"] for mean in joining))
    begun = set(studies["study"][studies["agreement"].isna()])
    return joining[0] if len(joining) == 1 and left_out <= begun else None


def _arranged(grid: _Grid, criterion: Criterion) -> tuple[str, list[str], list[tuple[str, list[tuple[str, str]]]]]:
    """A grid's title, its layers, and each ratio with the keys of its cells, which need not exist."""
    rows = grid.studies
    first = rows.iloc[0]
    told = (*_SETTING, "pretrain_seed")
    setting = [f"{heading(c)} {spell(c, first[c])}" for c in shared(rows) if c in told]
    score = f"{criterion.score[0].upper()}{criterion.score[1:]}"
    title = f"{score} against {metric_name(first['final'], first['metric'])}: {', '.join(setting)}"
    layers = list(in_reading_order(rows[["layers"]])["layers"].unique())
    body = [(ratio, [(name, ratio) for name in layers]) for ratio in sorted(rows["pruning_ratio"].unique())]
    return title, [spell("layers", name) for name in layers], body
