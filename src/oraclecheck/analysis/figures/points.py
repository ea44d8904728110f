"""The combinations that a figure draws, and what their axes and titles say."""

import numpy as np
import pandas as pd

from oraclecheck.analysis.criterion import Criterion
from oraclecheck.analysis.metrics import HIGHER_IS_BETTER, UNIT, metric_columns, metric_name
from oraclecheck.analysis.rounding import decimal, p_value
from oraclecheck.analysis.statistics.correlation import kendall
from oraclecheck.analysis.tables import combinations_table


def combinations_of(runs: pd.DataFrame, metric: str, final: str, criterion: Criterion) -> pd.DataFrame:
    """The combinations of runs, or of the rows themselves if they are combinations already, that have an outcome.

    Their column `y` has the metric as figures show it, accuracies in percent; `drawn` says whether `score` and `y` are
    finite.

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
    drawn = np.isfinite(score) & np.isfinite(y)
    return shown.assign(score=score, y=y, drawn=drawn).reset_index(drop=True)


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
    printed = p_value(p, "mathtext")
    typographic = decimal(tau).replace("-", "\N{MINUS SIGN}")  # as matplotlib's own tick labels have it
    return [f"$\\tau$ = {typographic}", f"$p$ {'' if '<' in printed else '= '}{printed}"]
