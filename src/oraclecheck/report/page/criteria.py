"""Criteria side by side on the page: a table whose rows are a figure too, and the difference of every two."""

from typing import Any

import numpy as np
import pandas as pd

from oraclecheck.analysis.chance import RANDOM
from oraclecheck.analysis.criterion import ORACLE
from oraclecheck.analysis.figures.criteria import ordered
from oraclecheck.analysis.rounding import UNDEFINED, agreement_interval, decimal, p_value
from oraclecheck.report.criteria import CriteriaFindings, Setting, criteria_cells

_HEADINGS = ("s", "95 %", "rank", "permuted p", "anomalies", "regret", "seconds", "verdict")

_CLEAR = 0.05


def criteria_tables(findings: CriteriaFindings | None) -> list[dict[str, Any]]:
    """A table for each setting and metric, the best criterion first.

    Returns:
        For each its `title`, `metric`, `networks` (count), `from` and `to` (the axis), `ticks` on it, the `ceiling`
        with `ceiling_low` and `ceiling_high` (None where there is none), `headings` of what is known, `rows` and
        `differences`. A row has the criterion's `name`, `kind` ("oracle", "random" or empty), printed `cells` as the
        headings, `s`, `low` and `high` (None where there is none), `ends` (the interval as it is printed) and
        `networks`, the s of each of several. `differences` are rows of cells, A minus B, each None (nothing to compare)
        or with its `text`, its interval and p in `words`, and whether they are `apart`: p below 0.05 after Holm's
        adjustment.
    """
    settings = [] if findings is None else findings.settings()
    return [_table(setting, metric) for setting in settings for metric in dict.fromkeys(setting.table["metric"])]


def _table(setting: Setting, metric: str) -> dict[str, Any]:
    table = setting.table[setting.table["metric"] == metric]
    means = setting.means[setting.means["metric"] == metric] if len(setting.means) else setting.means
    several = len(means) > 0
    shown = ordered(means if several else table)
    studies = table.drop_duplicates("study")
    ceilings = studies["ceiling"].dropna()
    low, high = (ceilings.min(), ceilings.max()) if several else studies[["ceiling_low", "ceiling_high"]].iloc[0]
    values = [*shown[["agreement", "agreement_low", "agreement_high"]].to_numpy(float).ravel(), *ceilings]
    values += [*table["agreement"], 0.0, 0.2]
    start, end = np.floor(np.nanmin(values) * 5) / 5, np.ceil(np.nanmax(values) * 5) / 5
    rows = [_row(row, table if several else table.iloc[:0]) for _, row in shown.iterrows()]
    headings = [name for name in _HEADINGS if any(row["cells"][name] != UNDEFINED for row in rows)]
    return {
        "title": setting.name,
        "metric": metric,
        "networks": int(shown["networks"].iloc[0]) if several else 1,
        "from": float(start),
        "to": float(end),
        "ticks": _ticks(float(start), float(end)),
        "ceiling": _number(ceilings.mean() if len(ceilings) else np.nan),
        "ceiling_low": _number(low),
        "ceiling_high": _number(high),
        "headings": headings,
        "rows": [{**row, "cells": [row["cells"][name] for name in headings]} for row in rows],
        "differences": _differences(setting.pairs, metric, list(shown["criterion"])),
    }


def _ticks(start: float, end: float) -> list[float]:
    """Multiples of a round number, 0 among them, few enough for their labels."""
    step = 0.2 if end - start < 1.5 else 0.4
    return [float(tick) for tick in np.round(step * np.arange(np.ceil(start / step), end / step + 0.01), 1)]


def _row(row: pd.Series, studies: pd.DataFrame) -> dict[str, Any]:
    said = criteria_cells(row)
    said["permuted p"] = p_value(row.get("p_permutation"), "unicode")
    said["verdict"] = row["verdict"]
    return {
        "name": row["criterion"],
        "kind": {ORACLE.name: "oracle", RANDOM: "random"}.get(row["criterion"], ""),
        "cells": {name: said[name].replace("-", "\N{MINUS SIGN}") for name in _HEADINGS},
        "s": _number(row["agreement"]),
        "low": _number(row["agreement_low"]),
        "high": _number(row["agreement_high"]),
        "ends": said["95 %"],
        "networks": [float(s) for s in studies.loc[studies["criterion"] == row["criterion"], "agreement"].dropna()],
    }


def _differences(pairs: pd.DataFrame, metric: str, names: list[str]) -> list[list[dict[str, Any] | None]]:
    known = {}
    for _, pair in pairs[pairs["metric"] == metric].iterrows() if len(pairs) else ():
        a, b, p = pair["criterion_a"], pair["criterion_b"], pair["p_holm"]
        difference, low, high = (pair[f"difference{end}"] for end in ("", "_low", "_high"))
        known[a, b] = _cell(a, b, difference, low, high, p)
        known[b, a] = _cell(b, a, -difference, -high, -low, p)
    return [[known.get((a, b)) for b in names] for a in names] if known else []


def _cell(a: str, b: str, difference: float, low: float, high: float, p: float) -> dict[str, Any]:
    interval = agreement_interval(low, high).replace("-", "\N{MINUS SIGN}")
    words = f"s of {a} minus s of {b}: {_signed(difference)}, 95 % {interval}, p after Holm {p_value(p, 'unicode')}"
    return {"text": _signed(difference), "words": words, "apart": bool(p < _CLEAR)}


def _signed(value: float) -> str:
    text = decimal(value)
    return text if text == UNDEFINED else f"{'+' if value > 0 else ''}{text}".replace("-", "\N{MINUS SIGN}")


def _number(value: float | None) -> float | None:
    return None if value is None or pd.isna(value) else float(value)
