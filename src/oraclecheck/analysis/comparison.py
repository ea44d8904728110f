"""Two studies of the same combinations side by side: two wirings, two retraining lengths, two recipes."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata
from scipy.stats import t as student

from oraclecheck.analysis.contradiction import contradiction
from oraclecheck.analysis.criterion import ORACLE, Criterion
from oraclecheck.analysis.metrics import HIGHER_IS_BETTER, metric_columns
from oraclecheck.analysis.outcomes import checked, outcomes
from oraclecheck.analysis.pairing import by_number, paired
from oraclecheck.analysis.space import Counted, counted_runs
from oraclecheck.analysis.statistics.balance import mean_of_repeats
from oraclecheck.analysis.statistics.bootstrap import DRAWS, kendall_draws, resamples
from oraclecheck.analysis.statistics.correlation import agreement, kendall, linear_correlations, signed
from oraclecheck.analysis.statistics.intervals import LEAST, ends
from oraclecheck.analysis.statistics.retraining_noise import agreement_error

Array = NDArray[np.float64]
Pair = tuple[Array, Array]


def compare(
    runs_a: pd.DataFrame,
    runs_b: pd.DataFrame,
    *,
    criterion: Criterion = ORACLE,
    final: str = "last",
    metric: str = "both",
    draws: int = DRAWS,
    seed: int = 0,
) -> pd.DataFrame:
    """Agreement in two studies, its difference, and how alike their final metrics rank the shared combinations.

    Only combinations that count in both studies are compared (see `balance`), matched by their removed filters; by
    their numbers if neither study knows the filters, as files of points do not, and nothing speaks against it. The
    intervals are 95 % ones. Of a sample of combinations: a bootstrap over them, drawn for both studies together. Of a
    census: retraining noise, taken as independent in the two studies; none without repeats in both. Between the final
    metrics of a census they are cautious (they cover 95 to 100 %): what the two noises do together is counted with
    either.

    Args:
        runs_a: Runs of one study, with the columns of a record.
        runs_b: Runs of another.
        criterion: Whose agreement it is.
        final: "last" or "best", as for `correlate`.
        metric: "accuracy", "loss" or "both".
        draws: Bootstrap resamples.
        seed: Seed of the resamples.

    Returns:
        One row per metric that both studies have: `study_a`, `study_b`, `final`, `metric`, `n` (shared combinations),
        `only_a`, `only_b` (combinations left out), `agreement_a`, `agreement_b`, `difference` (a - b), `final_tau` and
        `final_spearman` (between the two final metrics), each of the last three with `_low` and `_high`; `interval`
        ("combinations", "repeats" or "none"); `note`.

    Raises:
        ValueError: As `correlate` and `pairing.paired`; if either holds more or fewer than one study or contradicts
            itself, or they share no combination.
    """
    columns = metric_columns(final, metric)
    a, b = (_one_study(name, runs, criterion) for name, runs in (("runs_a", runs_a), ("runs_b", runs_b)))
    shared = paired(a.first, a.keys, b.first, b.keys)
    if not shared:
        raise ValueError("runs_a and runs_b must share combinations that count in both; got none in both")
    row: dict[str, Any] = {
        "study_a": a.first["study"].iloc[0],
        "study_b": b.first["study"].iloc[0],
        "final": final,
        "n": len(shared),
        "only_a": len(a.keys) - len(shared),
        "only_b": len(b.keys) - len(shared),
    }
    census = a.space.is_enumerated or b.space.is_enumerated
    told = "combinations are paired by their numbers: neither study says which filters were removed"
    told = told if by_number(a.keys, b.keys) else ""
    rows_a, rows_b = (list(rows) for rows in zip(*shared, strict=True))
    table = []
    for column, name in columns.items():
        finals = a.finals[column][rows_a], b.finals[column][rows_b]
        if not any(np.isnan(values).any() for values in finals):
            scores = a.score[rows_a], b.score[rows_b]
            numbers = _numbers(scores, finals, HIGHER_IS_BETTER[name], census, draws, seed)
            note = "; ".join(text for text in (told, numbers["note"]) if text)
            table.append({**row, "metric": name, **numbers, "note": note})
    if not table:
        raise ValueError(f"runs_a and runs_b must both have {' or '.join(columns)}; got no metric in both")
    return pd.DataFrame(table)


def _one_study(name: str, runs: pd.DataFrame, criterion: Criterion) -> Counted:
    runs = checked(runs, criterion)
    if (studies := runs["study"].nunique()) != 1:
        raise ValueError(f"{name} must hold the runs of one study; got {studies}: select one by its column study")
    if error := contradiction(runs, criterion):
        raise ValueError(f"{name} must hold the runs of a study that does not contradict itself; {error}")
    return counted_runs(outcomes(runs[runs["picked_by"].isna()]))


def _numbers(scores: Pair, finals: Pair, higher_is_better: bool, census: bool, draws: int, seed: int) -> dict[str, Any]:
    """What is said of one metric, from the scores and the finals of A and of B."""
    names = ("difference", "final_tau", "final_spearman")
    row: dict[str, Any] = dict.fromkeys(["agreement_a", "agreement_b", *names], np.nan)
    row |= {f"{name}_{end}": np.nan for name in names for end in ("low", "high")} | {"interval": "none", "note": ""}
    if (n := len(scores[0])) < 2:
        return {**row, "note": "statistics need at least 2 shared combinations; there is 1"}
    a, b = map(mean_of_repeats, finals)
    for side, score, means in zip("ab", scores, (a, b), strict=True):
        row[f"agreement_{side}"] = agreement(score, means, higher_is_better=higher_is_better)
    row["difference"] = row["agreement_a"] - row["agreement_b"]
    row |= {"final_tau": kendall(a, b)[0], "final_spearman": linear_correlations(a, b)[0]}
    if np.isnan(row["difference"]) or np.isnan(row["final_tau"]):
        row["note"] = "a tau is not defined: all scores or all final metrics of a study are equal"
    if census:
        return {**row, **_noise_intervals(row, scores, finals, (a, b))}
    if n < LEAST:
        return {**row, "note": f"no bootstrap intervals: they need {LEAST} combinations; there are {n}"}
    taus = kendall_draws([(scores[0], a), (scores[1], b), (a, b)], draws, seed)
    differences = signed(1.0, higher_is_better=higher_is_better) * (taus[:, 0] - taus[:, 1])
    spearmans = _spearman_draws(a, b, draws, seed)
    for name, values in zip(names, (differences, taus[:, 2], spearmans), strict=True):
        row |= ends(name, values)
    return {**row, "interval": "combinations"}


def _noise_intervals(row: dict[str, Any], scores: Pair, finals: Pair, means: Pair) -> dict[str, Any]:
    """Intervals from retraining noise: variances add up, with Satterthwaite's degrees of freedom."""
    difference = _reach(*map(agreement_error, scores, finals))
    tau_reach = _reach(*map(agreement_error, means[::-1], finals))
    if np.isnan(difference) or np.isnan(tau_reach):
        return {"note": row["note"] or "no intervals: in a census they need repeats in both studies"}
    found: dict[str, Any] = {"interval": "repeats"}
    for end, sign in (("low", -1), ("high", 1)):
        tau = float(np.clip(row["final_tau"] + sign * tau_reach, -1, 1))
        # Spearman's correlation moves with tau as it does in a Gaussian copula.
        move = _spearman_of(tau) - _spearman_of(row["final_tau"])
        found |= {f"difference_{end}": row["difference"] + sign * difference, f"final_tau_{end}": tau}
        found[f"final_spearman_{end}"] = float(np.clip(row["final_spearman"] + move, -1, 1))
    return found


def _reach(*errors: tuple[float, float]) -> float:
    variances = np.array([error**2 for error, _ in errors])
    if not (total := variances.sum()) > 0:
        return float(total)
    freedom = total**2 / (variances**2 / [freedom for _, freedom in errors]).sum()
    return float(student.ppf(0.975, freedom) * np.sqrt(total))


def _spearman_of(tau: float) -> float:
    return float(6 / np.pi * np.arcsin(np.sin(np.pi * tau / 2) / 2))


def _spearman_draws(x: Array, y: Array, draws: int, seed: int) -> Array:
    values = []
    for picks in resamples(len(x), draws, seed):
        a, b = (rankdata(column[picks], axis=1) - (len(x) + 1) / 2 for column in (x, y))
        with np.errstate(invalid="ignore"):
            values.append((a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1)))
    return np.concatenate(values)
