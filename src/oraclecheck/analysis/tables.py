"""From records to numbers: one row per combination, then one row per study and metric.

A combination that a criterion picked (`picked_by`) is drawn on figures and kept out of every statistic. A diverged run
is an outcome, its combination ranks worst; failed, unfinished and missing runs are not outcomes, they are counted.
"""

from typing import Any

import numpy as np
import pandas as pd

from oraclecheck.analysis.contradiction import contradiction
from oraclecheck.analysis.criterion import ORACLE, Criterion
from oraclecheck.analysis.metrics import metric_columns
from oraclecheck.analysis.outcomes import Outcomes, checked, outcomes
from oraclecheck.analysis.space import Counted, counted_runs
from oraclecheck.analysis.statistics.balance import mean_of_repeats
from oraclecheck.analysis.statistics.bootstrap import DRAWS
from oraclecheck.analysis.summary import PAIR_COUNTS, nothing, summarise
from oraclecheck.analysis.verdict import judged
from oraclecheck.analysis.words import as_text
from oraclecheck.study.identity import OF_STUDY


def combinations_table(runs: pd.DataFrame, *, criterion: Criterion = ORACLE) -> pd.DataFrame:
    """One row per combination, in the order of the combination space, those that a criterion picked last.

    Args:
        runs: One row per record, with the columns of a record and that of the criterion. Accuracies are fractions.
        criterion: Whose score the combinations get.

    Returns:
        Columns `study`, `study_hash`, `combo` (Python int, None if picked by its filters), `removed`, `picked_by` (None
        or the criterion), `score` (the criterion's; lower is better to remove; +inf where it is not finite; NaN in a
        study whose records contradict each other), `k` (repeats that count: as many for every combination, see
        `balance`, or 0; of a picked one, all with an outcome), `failed`, `diverged` (runs), the means over these
        repeats of `{final,best}_test_{accuracy,loss}`: -inf (accuracy) and +inf (loss) if one diverged, NaN if k is 0;
        then `unfinished` (runs), and `repeats_{final,best}_test_{accuracy,loss}`: the list of values by repeat, NaN
        where a repeat has no outcome.

    Raises:
        ValueError: If there is no record, a column is missing, two records are of the same run, a study has two
            hashes, or a run with status ok lacks its score or a metric that its study has.
    """
    tables = [_combinations(study, criterion) for _, study in checked(runs, criterion).groupby("study")]
    return pd.concat(tables, ignore_index=True)


def correlate(
    runs: pd.DataFrame,
    *,
    criterion: Criterion = ORACLE,
    final: str = "last",
    metric: str = "both",
    draws: int = DRAWS,
    seed: int = 0,
) -> pd.DataFrame:
    """Every number about a criterion, one row per study and metric.

    Agreements are positive where the criterion points the right way; `_low` and `_high` are ends of 95 % intervals.

    Args:
        runs: One row per record, with the columns of a record and that of the criterion; several studies may be mixed.
        criterion: What is judged; the oracle, paper 1's, unless another is named.
        final: "last" (after the last epoch) or "best" (at the epoch with the best test accuracy).
        metric: "accuracy", "loss" or "both". A metric that a study does not have gives no row.
        draws: Bootstrap resamples.
        seed: Seed of resamples and relabellings; the same seed gives the same table.

    Returns:
        What the study is: its identity columns, `space` ("enumerated": a census if none is missing; "part": the first
        combinations of one; "sampled"; "unknown"), `criterion`
        (its name), `final` and `metric`. Counts: `n` (combinations) and `k` (repeats of each), on which all numbers
        rest; `runs` (records), the runs `missing`, `failed`, `diverged` and `unfinished`, `incomplete` (combinations
        that lack an outcome of a repeat that was begun), and the runs with an outcome that are `left_out`, so that all
        combinations have equally many repeats (see `balance`), among them all those of `left_out_combinations`.

        Agreement: `agreement` (s) with the kind of its `interval` ("combinations": they were resampled; "repeats": all
        there are would be retrained again; "none"), `tau` (b), `p` (scipy), `valid` (Definition 3.1 of paper 1),
        `tau_a`, `spearman`, `pearson` (signed like s); `agreement_without_diverged`; `agreement_missing_low` and
        `_high`: what s could be if the missing combinations were known. `p_permutation` (filters relabelled), `p_holm`
        (of the p that `p_used` names, adjusted over the `p_family` settings of this table that `verdict.FAMILY` names).

        The three answers (see `verdict`): `relation`, `verdict` with its `reason`, `scope`.

        Noise: `repeat_tau`, `rho_1`, `rho_k`, `ceiling` (from `ceiling_n` combinations), `noise_free` (s freed of
        noise; NaN where the repeats may be nothing but noise), `collapsed` (combinations far below the rest: the
        ceiling is then too high).

        Choice: `anomaly_ratio`; `regret` (cross-fitted, unit of the metric; a lower bound of what the choice costs).
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
    cells = runs["study"].nunique() if "study" in runs else 0
    for _, study in checked(runs, criterion).groupby("study", sort=False):
        results = outcomes(study[study["picked_by"].isna()])
        counted, error = counted_runs(results), contradiction(study, criterion)
        fixed = {**_identity(study), "space": counted.space.kind, "criterion": criterion.name, "final": final}
        counts = _counts(results, counted)
        for column, name in columns.items():
            if study[column].isna().all() and (study["status"] == "ok").any():
                continue
            statistics = nothing() if error else summarise(counted, column, cells=cells, draws=draws, seed=seed)
            rows.append({**fixed, "metric": name, **counts, **statistics, "error": error})
    if not rows:
        raise ValueError(f"runs must have {' or '.join(columns)}; got none: choose another final or metric")
    table = judged(pd.DataFrame(rows))
    return table.astype({"valid": "boolean", **dict.fromkeys(PAIR_COUNTS, "Int64")})


def _combinations(study: pd.DataFrame, criterion: Criterion) -> pd.DataFrame:
    results = outcomes(study)
    counted = counted_runs(results)
    table = results.first[["study", "study_hash", "combo", "removed", "picked_by"]].copy()
    picked = table["picked_by"].notna().to_numpy()
    combos = [None if pd.isna(combo) else int(combo) for combo in table["combo"]]
    table["combo"] = pd.Series(combos, dtype=object)
    table["picked_by"] = table["picked_by"].astype(object).where(picked, None)
    table["score"] = np.nan if contradiction(study, criterion) else results.score
    table["k"] = np.where(picked, results.k, np.where(counted.rows, counted.k, 0))
    table["failed"], table["diverged"] = results.status["failed"], results.status["diverged"]
    for column, values in results.finals.items():
        means = np.where(picked, mean_of_repeats(values), np.nan)
        means[counted.rows] = mean_of_repeats(counted.finals[column])
        table[column] = means
    table["unfinished"] = results.status["unfinished"]
    for column, values in results.finals.items():
        table[f"repeats_{column}"] = pd.Series(values.tolist(), dtype=object)
    return table


def _identity(study: pd.DataFrame) -> dict[str, Any]:
    """The identity columns that a study's runs share, in one cell each."""
    first = study.iloc[0]
    row = {name: first.get(name) for name in OF_STUDY if name != "schema"}
    row |= {name: as_text(value) for name, value in row.items() if isinstance(value, list | tuple | dict)}
    whole = {name: row[name] for name in ("space_size", "pretrain_seed")}
    return row | {name: None if pd.isna(value) else int(value) for name, value in whole.items()}


def _counts(results: Outcomes, counted: Counted) -> dict[str, int]:
    n, runs, repeats = len(counted.score), int(results.status.to_numpy().sum()), results.there.shape[1]
    return {
        "n": n,
        "k": counted.k,
        "runs": runs,
        "missing": (n + counted.space.missing) * repeats - runs,
        **{word: int(results.status[word].sum()) for word in ("failed", "diverged", "unfinished")},
        "incomplete": int((results.k < repeats).sum()),
        "left_out": counted.left_out,
        "left_out_combinations": int((results.k > 0).sum()) - n,
    }
