"""The points of the interactive scatter, small enough to travel inside the page."""

from typing import Any

import numpy as np
import pandas as pd

from oraclecheck.analysis.metrics import FINALS, HIGHER_IS_BETTER
from oraclecheck.pruning.combination import spell_removed
from oraclecheck.records.combination_key import Key, combination_keys

# Filters of one combination that are named before the rest is counted.
_NAMED_FILTERS = 24

# What a pointer reads off a repeat; means are kept exact, because "strictly better" compares them.
_REPEAT_DIGITS = 6

_LARGEST_EXACT_INTEGER = 2**53


def scatter_points(runs: pd.DataFrame, combos: pd.DataFrame) -> dict[str, Any]:
    """One study's combinations with an outcome, as columns.

    Args:
        runs: The study's records.
        combos: The study's rows of `tables.combinations_table`; accuracies are fractions.

    Returns:
        JSON-serialisable but for NaN and infinities: `combo`, `picked` (None or the criterion), `removed` (text),
        `score`, `y` (final, then metric, gives the means), `repeats` (their numbers) and `each` (final, then metric,
        gives one list a combination: a number, "diverged", "failed", or None where there is no record; absent for a
        single repeat), `choice` (row of the least score, None if there is none).
    """
    shown = combos[(combos["k"] > 0) & combos["score"].notna()]  # NaN where records contradict each other
    unpicked = [i for i, name in enumerate(shown["picked_by"]) if name is None or pd.isna(name)]
    score = shown["score"].to_numpy(float)
    repeats = sorted(int(r) for r in runs["repeat"].unique())
    points: dict[str, Any] = {
        "combo": [None if pd.isna(c) else _index(int(c)) for c in shown["combo"]],
        "picked": [None if pd.isna(name) else str(name) for name in shown["picked_by"]],
        "removed": [spell_removed(removed or {}, _NAMED_FILTERS) for removed in shown["removed"]],
        "score": score.tolist(),
        "choice": unpicked[int(np.argmin(score[unpicked]))] if unpicked else None,
        "y": _by_metric(lambda column: shown[column].to_numpy(float).tolist()),
        "repeats": repeats,
    }
    if len(repeats) > 1:
        rows = _rows(runs, shown, repeats)
        points["each"] = _by_metric(lambda column: _values(runs, rows, column))
    return points


def _by_metric(values: Any) -> dict[str, dict[str, list]]:
    return {
        final: {metric: values(f"{column}_test_{metric}") for metric in HIGHER_IS_BETTER}
        for final, column in FINALS.items()
    }


def _index(combo: int) -> int | str:
    """JavaScript's numbers are not exact beyond 2^53."""
    return combo if combo < _LARGEST_EXACT_INTEGER else str(combo)


def _rows(runs: pd.DataFrame, shown: pd.DataFrame, repeats: list[int]) -> list[list[int | None]]:
    """For each combination and repeat the row of its record among the runs."""
    place = {key: i for i, key in enumerate(zip(_keys(runs), runs["repeat"], strict=True))}
    return [[place.get((key, repeat)) for repeat in repeats] for key in _keys(shown)]


def _keys(table: pd.DataFrame) -> list[tuple[str, Key]]:
    names = ("" if pd.isna(name) else str(name) for name in table["picked_by"])
    return list(zip(names, combination_keys(table), strict=True))


def _values(runs: pd.DataFrame, rows: list[list[int | None]], column: str) -> list[list[float | str | None]]:
    values, status = runs[column].to_numpy(float), list(runs["status"])

    def value(row: int | None) -> float | str | None:
        if row is None:
            return None
        return status[row] if status[row] != "ok" else float(f"{values[row]:.{_REPEAT_DIGITS}g}")

    return [[value(row) for row in repeats] for repeats in rows]
