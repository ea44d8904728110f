"""The points of the interactive scatter, small enough to travel inside the page."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from oraclecheck.analysis.figures.score_axis import pile_up
from oraclecheck.analysis.metrics import FINALS, HIGHER_IS_BETTER
from oraclecheck.pruning.combination import spell_removed
from oraclecheck.records.combination_key import Key, combination_keys

# Filters of one combination that are named before the rest is counted.
_NAMED_FILTERS = 24

# What a pointer reads off a repeat; means are kept exact, because "strictly better" compares them.
_REPEAT_DIGITS = 6

_LARGEST_EXACT_INTEGER = 2**53  # of JavaScript's numbers


def scatter_points(runs: pd.DataFrame, combos: pd.DataFrame) -> dict[str, Any]:
    """One study's combinations with an outcome, as columns.

    Args:
        runs: The study's records.
        combos: The study's rows of `tables.combinations_table`; accuracies are fractions.

    Returns:
        JSON-serialisable but for NaN and infinities: `combo`, `picked` (None or the criterion), `removed` (text),
        `score`, `y` (final, then metric, gives the means), `repeats` (their numbers) and `each` (final, then metric,
        gives one list a combination: a number, "diverged", "failed", or None where there is no record; absent for a
        single repeat), `choice` (row of the least score, None if there is none), `logarithmic` (whether scores pile up
        near 0, so that they are drawn on a logarithmic axis).
    """
    shown = combos[(combos["k"] > 0) & combos["score"].notna()]  # NaN where records contradict each other
    unpicked = np.flatnonzero(shown["picked_by"].isna())
    score = shown["score"].to_numpy(float)
    repeats = sorted(int(r) for r in runs["repeat"].unique())
    points: dict[str, Any] = {
        "combo": [str(c) if c is not None and c >= _LARGEST_EXACT_INTEGER else c for c in shown["combo"]],
        "picked": shown["picked_by"].tolist(),
        "removed": [spell_removed(removed, _NAMED_FILTERS) for removed in shown["removed"]],
        "score": score.tolist(),
        "choice": int(unpicked[np.argmin(score[unpicked])]) if len(unpicked) else None,
        "y": _by_metric(lambda column: shown[column].to_numpy(float).tolist()),
        "repeats": repeats,
        "logarithmic": pile_up(score),
    }
    if len(repeats) > 1:
        place = {key: row for row, key in enumerate(zip(_keys(runs), runs["repeat"], strict=True))}
        rows = [[place.get((key, repeat)) for repeat in repeats] for key in _keys(shown)]
        points["each"] = _by_metric(lambda column: _values(runs, rows, column))
    return points


def _by_metric(values: Callable[[str], list]) -> dict[str, dict[str, list]]:
    return {
        final: {metric: values(f"{column}_test_{metric}") for metric in HIGHER_IS_BETTER}
        for final, column in FINALS.items()
    }


def _keys(table: pd.DataFrame) -> list[tuple[str, Key]]:
    """What tells combinations apart: two criteria may have picked the same one."""
    names = table["picked_by"].astype(object).where(table["picked_by"].notna(), "")
    return list(zip(names, combination_keys(table), strict=True))


def _values(runs: pd.DataFrame, rows: list[list[int | None]], column: str) -> list[list[float | str | None]]:
    ended = zip(runs[column].to_numpy(float), runs["status"], strict=True)
    said = [float(f"{value:.{_REPEAT_DIGITS}g}") if status == "ok" else status for value, status in ended]
    return [[None if row is None else said[row] for row in repeats] for repeats in rows]
