"""The combinations that a figure draws, and what their axes and titles say."""

from typing import Any

import numpy as np
import pandas as pd

from oraclecheck.analysis.criterion import Criterion
from oraclecheck.analysis.metrics import HIGHER_IS_BETTER, UNIT, metric_columns, metric_name
from oraclecheck.analysis.rounding import agreement, decimal, p_value
from oraclecheck.analysis.statistics.correlation import kendall
from oraclecheck.analysis.tables import combinations_table, correlate


def combinations_of(runs: pd.DataFrame, metric: str, final: str, criterion: Criterion) -> pd.DataFrame:
    """The combinations of runs, or of the rows themselves if they are combinations already, that have an outcome.

    Their column `y` has the metric as figures show it, accuracies in percent; `low` and `high` the least and greatest
    of its repeats, NaN where fewer than two are finite; `drawn` says whether `score` and `y` are finite.

    Raises:
        ValueError: If metric or final is an unknown word, or a study lacks that metric or contradicts itself.
    """
    if metric not in HIGHER_IS_BETTER:
        raise ValueError(f"metric must be accuracy or loss; got {metric}")
    (column,) = metric_columns(final, metric)
    combos = runs if "score" in runs else combinations_table(runs, criterion=criterion)
    shown = combos[combos["k"] > 0]
    lacking = shown.groupby("study")[column].apply(lambda values: values.isna().all())
    if lacking.any():
        raise ValueError(f"metric and final must be in the records; {lacking.idxmax()} has no {column}")
    if len(wrong := shown[shown["score"].isna()]):
        raise ValueError(f"records of {wrong['study'].iloc[0]} contradict each other: nothing can be drawn of them")
    score, y = shown["score"].astype(float), UNIT[metric] * shown[column].astype(float)
    repeats: Any = shown[f"repeats_{column}"] if f"repeats_{column}" in shown else [[]] * len(shown)
    ends = [_ends(UNIT[metric] * np.asarray(values, dtype=float)) for values in repeats]
    low, high = np.array(ends, dtype=float).reshape(-1, 2).T
    drawn = np.isfinite(score) & np.isfinite(y)
    return shown.assign(score=score, y=y, low=low, high=high, drawn=drawn).reset_index(drop=True)


def _ends(repeats: np.ndarray) -> tuple[float, float]:
    finite = repeats[np.isfinite(repeats)]
    return (float(finite.min()), float(finite.max())) if len(finite) > 1 else (np.nan, np.nan)


def judged_rows(
    runs: pd.DataFrame, table: pd.DataFrame | None, metric: str, final: str, criterion: Criterion
) -> dict[str, pd.Series]:
    """Study -> its row of `correlate` for a metric: of a table that is at hand, else computed, if these are runs."""
    if table is None and "score" in runs:
        return {}
    rows = correlate(runs, metric=metric, final=final, criterion=criterion) if table is None else table
    rows = rows[(rows["metric"] == metric) & (rows["final"] == final)]
    return {str(row["study"]): row for _, row in rows.iterrows()}


def axis_label(final: str, metric: str) -> str:
    """What an axis with a metric after retraining says."""
    return f"{metric_name(final, metric)}{' (%)' if metric == 'accuracy' else ''}"


def tau_and_p(x: pd.Series, y: pd.Series) -> list[str]:
    """tau-b and its p for a title; nothing where there are fewer than two combinations."""
    if len(x) < 2:
        return []
    tau, p = kendall(x, y)
    if np.isnan(tau):
        return ["$\\tau$ not defined"]
    return [f"$\\tau$ = {typographic(decimal(tau))}", _p("$p$", p)]


def judged(row: pd.Series) -> list[str]:
    """What a title says of a row of `correlate`: s with its interval, its noise ceiling, and the permuted p."""
    if pd.isna(row["agreement"]):
        return ["$s$ not defined"]
    ceiling, p = row.get("ceiling"), row.get("p_permutation")
    return [
        f"$s$ = {agreement_and_interval(row)}",
        *([] if pd.isna(ceiling) else [f"ceiling {decimal(ceiling)}"]),
        *([] if pd.isna(p) else [_p("permuted $p$", p)]),
    ]


def agreement_and_interval(row: pd.Series) -> str:
    """Such as "0.43 [0.35, 0.50]", with the minus of matplotlib's own tick labels."""
    low, high = (row[f"agreement_{end}"] for end in ("low", "high"))
    interval = "" if pd.isna(low) or pd.isna(high) else f" [{agreement(low)}, {agreement(high)}]"
    return typographic(f"{agreement(row['agreement'])}{interval}")


def typographic(number: str) -> str:
    """Printed numbers with the minus that matplotlib's own tick labels have."""
    return number.replace("-", "\N{MINUS SIGN}")


def _p(name: str, p: float) -> str:
    printed = p_value(p, "mathtext")
    return f"{name} {'' if '<' in printed else '= '}{printed}"
