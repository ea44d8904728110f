"""Layers across, ratios down, as Table 2 of paper 1, with a mean over dense networks where a cell has several."""

from typing import Any

import pandas as pd

from oraclecheck.analysis.words import FOR_READERS, describe, in_reading_order, spell, varying
from oraclecheck.report.findings import Findings

_CELL = ["layers", "pruning_ratio"]
_SETTING = [name for name in FOR_READERS if name not in (*_CELL, "order", "pretrain_seed")]


def grids(findings: Findings) -> list[dict[str, Any]]:
    """A grid for each metric and setting whose rows differ in layers or ratio.

    Returns:
        For each its `metric`, `title` (what tells its setting from those of the others), `layers` (headings) and
        `rows`: the ratio and a cell for each of the layers: a row of `across_networks`, or of `correlate` where there
        is one network, or None where nothing was measured. There is no grid of settings that would share a cell.
    """
    cells = _one_row_a_setting(findings.table, findings.networks)
    names = [name for name in varying(findings.table) if name in _SETTING]
    keys: list[Any] = [cells["metric"], *(cells[name].map(str) for name in names)]
    groups = [rows for _, rows in cells.groupby(keys, sort=False)]
    return [_grid(rows, names) for rows in groups if len(rows) > 1 and not rows.duplicated(_CELL).any()]


def _one_row_a_setting(table: pd.DataFrame, networks: pd.DataFrame) -> pd.DataFrame:
    """Means, and the studies that none of them joins."""
    joined = {study for studies in networks["studies"] for study in studies} if len(networks) else set()
    rows: list[Any] = [*table[~table["study"].isin(joined)].to_dict("records"), *networks.to_dict("records")]
    return in_reading_order(pd.DataFrame(rows))


def _grid(rows: pd.DataFrame, names: list[str]) -> dict[str, Any]:
    found = {(row["layers"], row["pruning_ratio"]): row for row in rows.to_dict("records")}
    layers = list(dict.fromkeys(rows["layers"]))
    ratios = sorted(rows["pruning_ratio"].unique(), key=str)
    return {
        "metric": rows["metric"].iloc[0],
        "title": describe(rows.iloc[0], names),
        "layers": [spell("layers", name) for name in layers],
        "rows": [(ratio, [found.get((name, ratio)) for name in layers]) for ratio in ratios],
    }
