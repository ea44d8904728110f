"""Two studies of the same combinations side by side: two wirings, two retraining lengths, two recipes."""

import json
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from oraclecheck.analysis.bootstrap import DRAWS, kendall_draws
from oraclecheck.analysis.correlation import kendall, linear_correlations, signed
from oraclecheck.analysis.outcomes import HIGHER_IS_BETTER, Outcomes, checked, outcomes
from oraclecheck.analysis.tables import metric_columns


def compare(
    runs_a: pd.DataFrame,
    runs_b: pd.DataFrame,
    *,
    final: str = "last",
    metric: str = "both",
    draws: int = DRAWS,
    seed: int = 0,
) -> pd.DataFrame:
    """Agreement in two studies, its difference, and how alike their final metrics rank the shared combinations.

    Only combinations with an outcome in both studies count, matched by their removed filters. The intervals are 95 %
    ones of a bootstrap over these combinations, drawn for both studies together.

    Args:
        runs_a: Runs of one study, with the columns of a record.
        runs_b: Runs of another.
        final: "last" or "best", as for `correlate`.
        metric: "accuracy", "loss" or "both".
        draws: Bootstrap resamples.
        seed: Seed of the resamples.

    Returns:
        One row per metric that both studies have: `study_a`, `study_b`, `final`, `metric`, `n` (shared combinations),
        `agreement_a`, `agreement_b`, `difference` (a - b), `final_tau` and `final_spearman` (between the two final
        metrics), each of the last three with `_low` and `_high`; `only_a`, `only_b` (combinations left out); `note`.

    Raises:
        ValueError: As `correlate`; if either holds more or fewer than one study, or they share no combination.
    """
    columns = metric_columns(final, metric)
    sides = [_one_study(name, runs) for name, runs in (("runs_a", runs_a), ("runs_b", runs_b))]
    places = [_places(side) for side in sides]
    shared = [key for key in places[0] if key in places[1]]
    if not shared:
        raise ValueError("runs_a and runs_b must share combinations of removed filters; got none in both")
    rows = [[place[key] for key in shared] for place in places]
    row: dict[str, Any] = {
        "study_a": sides[0].first["study"].iloc[0],
        "study_b": sides[1].first["study"].iloc[0],
        "final": final,
        "n": len(shared),
        "only_a": len(places[0]) - len(shared),
        "only_b": len(places[1]) - len(shared),
    }
    table = []
    for column, name in columns.items():
        finals = [side.means(column)[at] for side, at in zip(sides, rows, strict=True)]
        if any(np.isnan(values).any() for values in finals):
            continue
        scores = [side.score[at] for side, at in zip(sides, rows, strict=True)]
        higher_is_better = HIGHER_IS_BETTER[name]
        table.append({**row, "metric": name, **_difference(scores, finals, higher_is_better, draws, seed)})
    if not table:
        raise ValueError(f"runs_a and runs_b must both have {' or '.join(columns)}; got no metric in both")
    return pd.DataFrame(table)


def _one_study(name: str, runs: pd.DataFrame) -> Outcomes:
    runs = checked(runs)
    if (studies := runs["study"].nunique()) != 1:
        raise ValueError(f"{name} must hold the runs of one study; got {studies}: select one by its column study")
    return outcomes(runs[runs["picked_by"].isna()])


def _places(side: Outcomes) -> dict[str, int]:
    removed = [json.dumps(value, sort_keys=True) for value in side.first["removed"]]
    return {key: i for i, key in enumerate(removed) if side.k[i] > 0}


def _difference(
    scores: list[NDArray[np.float64]],
    finals: list[NDArray[np.float64]],
    higher_is_better: bool,
    draws: int,
    seed: int,
) -> dict[str, Any]:
    names = ["agreement_a", "agreement_b", "difference", "final_tau", "final_spearman"]
    ends = [f"{name}_{end}" for name in names[2:] for end in ("low", "high")]
    row: dict[str, Any] = {**dict.fromkeys([*names, *ends], np.nan), "note": ""}
    if len(scores[0]) < 2:
        return {**row, "note": "statistics need at least 2 shared combinations; there is 1"}
    s = [signed(kendall(x, y)[0], higher_is_better=higher_is_better) for x, y in zip(scores, finals, strict=True)]
    row |= {"agreement_a": s[0], "agreement_b": s[1], "difference": s[0] - s[1]}
    row |= {"final_tau": kendall(*finals)[0], "final_spearman": linear_correlations(*finals)[0]}
    taus = kendall_draws([(scores[0], finals[0]), (scores[1], finals[1]), (finals[0], finals[1])], draws, seed)
    differences = (taus[:, 1] - taus[:, 0]) if higher_is_better else (taus[:, 0] - taus[:, 1])
    spearmans = _spearman_draws(finals[0], finals[1], draws, seed)
    for name, values in (("difference", differences), ("final_tau", taus[:, 2]), ("final_spearman", spearmans)):
        if not np.isnan(values).all():
            row[f"{name}_low"], row[f"{name}_high"] = map(float, np.nanquantile(values, [0.025, 0.975]))
    if np.isnan(row["difference"]):
        row["note"] = "a tau is not defined: all scores or all final metrics of a study are equal"
    return row


def _spearman_draws(x: NDArray[np.float64], y: NDArray[np.float64], draws: int, seed: int) -> NDArray[np.float64]:
    generator, n = np.random.default_rng(seed), len(x)
    values = []
    for start in range(0, draws, 1000):
        picks = generator.integers(n, size=(min(1000, draws - start), n))
        a, b = rankdata(x[picks], axis=1), rankdata(y[picks], axis=1)
        a, b = a - (n + 1) / 2, b - (n + 1) / 2
        with np.errstate(invalid="ignore"):
            values.append((a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1)))
    return np.concatenate(values)
