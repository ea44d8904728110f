"""The combinations that a figure draws, and what their axes and titles say."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oraclecheck.analysis.criterion import Criterion
from oraclecheck.analysis.figures.print_style import minus
from oraclecheck.analysis.metrics import UNIT, metric_column, metric_name
from oraclecheck.analysis.rounding import decimal, p_value
from oraclecheck.analysis.statistics.correlation import kendall
from oraclecheck.analysis.tables import combinations_table

Points = tuple[NDArray[np.float64], NDArray[np.float64]]


def combinations_of(runs: pd.DataFrame, metric: str, final: str, criterion: Criterion) -> pd.DataFrame:
    """The combinations of runs, or the rows themselves if they are combinations already.

    Raises:
        ValueError: If metric or final is an unknown word, or a study lacks that metric or contradicts itself.
    """
    column = metric_column(final, metric)
    combos = runs if "score" in runs else combinations_table(runs, criterion=criterion)
    shown = combos[combos["k"] > 0]
    lacking = shown.groupby("study")[column].apply(lambda values: values.isna().all())
    if lacking.any():
        raise ValueError(f"metric and final must be in the records; {lacking.idxmax()} has no {column}")
    if len(wrong := shown[shown["score"].isna()]):
        raise ValueError(f"records of {wrong['study'].iloc[0]} contradict each other: nothing can be drawn of them")
    return combos


def points_of(combos: pd.DataFrame, metric: str, final: str) -> Points:
    """Scores of combinations and a metric as figures show it, accuracies in percent."""
    return combos["score"].to_numpy(float), UNIT[metric] * combos[metric_column(final, metric)].to_numpy(float)


def finite(x: NDArray[np.float64], y: NDArray[np.float64]) -> Points:
    """The points that can be drawn."""
    drawn = np.isfinite(x) & np.isfinite(y)
    return x[drawn], y[drawn]


def axis_label(final: str, metric: str) -> str:
    """What an axis with a metric after retraining says."""
    return f"{metric_name(final, metric)}{' (%)' if metric == 'accuracy' else ''}"


def tau_and_p(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[str]:
    """tau-b and its p for a title; nothing where there are fewer than two combinations."""
    if len(x) < 2:
        return []
    tau, p = kendall(x, y)
    if np.isnan(tau):
        return ["$\\tau$ not defined"]
    printed = p_value(p, "mathtext")
    return [f"$\\tau$ = {minus(decimal(tau))}", f"$p$ {'' if '<' in printed else '= '}{printed}"]
