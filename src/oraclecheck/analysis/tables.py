"""From records to numbers: one row per combination, then one row per study and metric.

A combination that a criterion picked (`picked_by`) is drawn on figures and kept out of every statistic. A diverged run
is an outcome, its combination ranks worst; failed, unfinished and missing runs are not outcomes, they are counted.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oraclecheck.analysis.contradiction import contradiction
from oraclecheck.analysis.outcomes import (
    HIGHER_IS_BETTER,
    METRIC_COLUMNS,
    Outcomes,
    checked,
    mean_of_repeats,
    outcomes,
)
from oraclecheck.analysis.statistics.bootstrap import DRAWS
from oraclecheck.analysis.statistics.multiplicity import with_holm
from oraclecheck.analysis.summary import PAIR_COUNTS, counted_runs, space_of, summarise, unbelievable

FINALS = {"last": "final", "best": "best"}
_IDENTITY = ["model", "data", "layers", "pruning_ratio", "wiring", "order", "retrain_fraction", "dense_hash"]


def combinations_table(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per combination, in the order of the combination space, those that a criterion picked last.

    Args:
        runs: One row per record, with the columns of a record. Accuracies are fractions.

    Returns:
        Columns `study`, `study_hash`, `combo` (Python int, None if picked by its filters), `removed`, `picked_by` (None
        or the criterion), `score` (pruned train loss; lower is better to remove; +inf where it is not finite; NaN in a
        study whose records contradict each other), `k` (repeats that count: as many for every combination, see
        `balance`, or 0; of a picked one, all with an outcome), `failed`, `diverged` (runs), the means over these
        repeats of `{final,best}_test_{accuracy,loss}`: -inf (accuracy) and +inf (loss) if one diverged, NaN if k is 0;
        then `unfinished` (runs), and `repeats_{final,best}_test_{accuracy,loss}`: the list of values by repeat, NaN
        where a repeat has no outcome.

    Raises:
        ValueError: If there is no record, a column is missing, two records are of the same run, a study has two
            hashes, or a run with status ok lacks its score or a metric that its study has.
    """
    tables = [_combinations(study) for _, study in checked(runs).groupby("study")]
    return pd.concat(tables, ignore_index=True)


def correlate(
    runs: pd.DataFrame, *, final: str = "last", metric: str = "both", draws: int = DRAWS, seed: int = 0
) -> pd.DataFrame:
    """Every number about a criterion, one row per study and metric.

    Agreements are positive where the criterion points the right way; `_low` and `_high` are ends of 95 % intervals.

    Args:
        runs: One row per record, with the columns of a record; several studies may be mixed.
        final: "last" (after the last epoch) or "best" (at the epoch with the best test accuracy).
        metric: "accuracy", "loss" or "both". A metric that a study does not have gives no row.
        draws: Bootstrap resamples.
        seed: Seed of resamples and relabellings; the same seed gives the same table.

    Returns:
        What the study is: its identity columns, `space` ("enumerated": a census; "sampled"; "unknown"), `final` and
        `metric`. Counts: `n` (combinations) and `k` (repeats of each), on which all numbers rest; `runs` (records),
        the runs `missing`, `failed`, `diverged` and `unfinished`, `incomplete` (combinations that lack an outcome of a
        repeat that was begun), and the runs with an outcome that are `left_out`, so that all combinations have equally
        many repeats (see `balance`), among them all those of `left_out_combinations`.

        Agreement: `agreement` (s) with the kind of its `interval` ("combinations": they were resampled; "repeats": all
        there are would be retrained again; "none"), `tau` (b), `p` (scipy), `valid` (Definition 3.1 of paper 1),
        `tau_a`, `spearman`, `pearson`; `agreement_without_diverged`; `agreement_missing_low` and `_high`: what s could
        be if the missing combinations were known. `p_permutation` (filters relabelled), `p_holm` (of the p that
        `p_used` names, adjusted over the `p_family` rows of this table that `multiplicity.FAMILY` names), `verdict` and
        its `reason`.

        Noise: `repeat_tau`, `rho_1`, `rho_k`, `ceiling` (from `ceiling_n` combinations), `noise_free` (s freed of
        noise), `collapsed` (combinations far below the rest: the ceiling is then too high).

        Choice: `anomaly_ratio`; `regret` (cross-fitted, unit of the metric; above 0 where the choice is not the best).
        Pairs: `counterexample_ratio`, `counterexamples`, `pairs`, `tied_score`, `tied_final`, `tie_share` (of the
        metric). `note` says what is not defined, and why; `error` what contradicts itself in the records, in which case
        nothing else is said of the study.

    Raises:
        ValueError: As `combinations_table`; if final or metric is another word, or draws is below 1.
    """
    columns = metric_columns(final, metric)
    if draws < 1:
        raise ValueError(f"draws must be at least 1; got {draws}")
    rows: list[dict[str, Any]] = []
    for _, study in checked(runs).groupby("study", sort=False):
        counted = study[study["picked_by"].isna()]
        results = outcomes(counted)
        identity, counts, error = _identity(study), _counts(counted, results), contradiction(study)
        for column, name in columns.items():
            if study[column].isna().all() and (study["status"] == "ok").any():
                continue
            statistics = unbelievable(error) if error else summarise(results, column, draws=draws, seed=seed)
            identified = {**identity, "space": space_of(results).kind, "final": final, "metric": name}
            rows.append({**identified, **counts, **statistics, "error": error})
    if not rows:
        raise ValueError(f"runs must have {' or '.join(columns)}; got none: choose another final or metric")
    table = with_holm(pd.DataFrame(rows))
    return table.astype({"valid": "boolean", **dict.fromkeys(PAIR_COUNTS, "Int64")})


def metric_columns(final: str, metric: str) -> dict[str, str]:
    """Column of the runs -> metric, for the words that a user gives.

    Raises:
        ValueError: If final is not last or best, or metric not accuracy, loss or both.
    """
    if final not in FINALS:
        raise ValueError(f"final must be last or best; got {final}")
    if metric not in (*HIGHER_IS_BETTER, "both"):
        raise ValueError(f"metric must be accuracy, loss or both; got {metric}")
    metrics = HIGHER_IS_BETTER if metric == "both" else (metric,)
    return {f"{FINALS[final]}_test_{name}": name for name in metrics}


def _combinations(study: pd.DataFrame) -> pd.DataFrame:
    results = outcomes(study)
    table = results.first[["study", "study_hash", "combo", "removed", "picked_by"]].copy()
    combos = [None if pd.isna(combo) else int(combo) for combo in table["combo"]]
    picks = [None if pd.isna(pick) else pick for pick in table["picked_by"]]
    table["combo"] = pd.Series(combos, dtype=object, index=table.index)
    table["picked_by"] = pd.Series(picks, dtype=object, index=table.index)
    counted, k = _means_that_count(results)
    table["score"], table["k"] = np.nan if contradiction(study) else results.score, k
    table["failed"], table["diverged"] = results.status["failed"], results.status["diverged"]
    for column in METRIC_COLUMNS:
        table[column] = counted[column]
    table["unfinished"] = results.status["unfinished"]
    for column in METRIC_COLUMNS:
        table[f"repeats_{column}"] = pd.Series(results.finals[column].tolist(), dtype=object, index=table.index)
    return table


def _means_that_count(results: Outcomes) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.int64]]:
    """Means of every metric as the statistics of a study use them, and their repeats; of picks, of all repeats."""
    picked = results.first["picked_by"].notna().to_numpy()
    counted, _ = counted_runs(results.of(~picked))
    k = np.where(picked, results.k, 0)
    k[np.flatnonzero(~picked)[counted.rows]] = counted.k
    means = {column: np.where(picked, mean_of_repeats(values), np.nan) for column, values in results.finals.items()}
    for column, values in counted.finals.items():
        means[column][np.flatnonzero(~picked)[counted.rows]] = mean_of_repeats(values)
    return means, k


def _identity(study: pd.DataFrame) -> dict[str, Any]:
    first = study.iloc[0]
    row = {
        column: first[column] if column in study else None
        for column in ["study", "study_hash", "setting_hash", *_IDENTITY]
    }
    row["layers"] = _spell_layers(row["layers"])
    row["pruning_ratio"] = _spell_ratio(row["pruning_ratio"])
    for column in ("space_size", "pretrain_seed"):
        value = first[column] if column in study else None
        row[column] = None if pd.isna(value) else int(value)
    return row


def _spell_layers(layers: Any) -> str | None:
    return "/".join(map(str, layers)) if isinstance(layers, list | tuple) else layers


def _spell_ratio(ratio: Any) -> str | None:
    if not isinstance(ratio, dict):
        return ratio if ratio is None else str(ratio)
    if len(set(ratio.values())) == 1:
        return str(next(iter(ratio.values())))
    return ", ".join(f"{layer} {value}" for layer, value in ratio.items())


def _counts(runs: pd.DataFrame, results: Outcomes) -> dict[str, int]:
    counted, space = counted_runs(results)
    repeats = runs["repeat"].nunique()
    expected = space.size if space.kind == "enumerated" and space.size is not None else len(results.first)
    sums = {word: int(results.status[word].sum()) for word in ("failed", "diverged", "unfinished")}
    incomplete, with_outcome = int((results.k < repeats).sum()), int((results.k > 0).sum())
    return {
        "n": len(counted.score),
        "k": counted.k,
        "runs": len(runs),
        "missing": expected * repeats - len(runs),
        **sums,
        "incomplete": incomplete,
        "left_out": counted.left_out,
        "left_out_combinations": with_outcome - len(counted.score),
    }
