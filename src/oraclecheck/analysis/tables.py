"""From records to numbers: one row per combination, then one row per study, epoch and metric.

A combination that a criterion picked (`picked_by`) is drawn on figures and kept out of every statistic. A diverged run
is an outcome, its combination ranks worst; failed and missing runs are not outcomes, they are counted.
"""

import json
from typing import Any

import numpy as np
import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from oraclecheck.analysis.correlation import anomaly_ratio, counterexamples, is_valid, kendall, signed, tie_share
from oraclecheck.analysis.uncertainty import noise_ceiling
from oraclecheck.pruning.combination import ENUMERATION_LIMIT

EPOCHS = ("final", "best")
HIGHER_IS_BETTER = {"accuracy": True, "loss": False}
METRIC_COLUMNS = {f"{epoch}_test_{metric}": metric for epoch in EPOCHS for metric in HIGHER_IS_BETTER}


# Means of the same accuracies can differ in the 16th digit, which would break ties. Distinct ones differ by at least
# one test image in one repeat, far above this.
_MEAN_DECIMALS = 12

_RECORD_COLUMNS = ["study", "study_hash", "order", "space_size", "combo", "removed", "picked_by", "repeat", "status"]
_PAIR_COUNTS = ["counterexamples", "pairs", "tied_score", "tied_final"]
_UNDEFINED = "–"


def combinations_table(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per combination, in the order of the combination space, those that a criterion picked last.

    Args:
        runs: One row per record, with the columns of a record. Accuracies are fractions.

    Returns:
        Columns `study`, `study_hash`, `combo` (Python int, None if picked by its filters), `removed`, `picked_by` (None
        or the criterion), `score` (pruned train loss; lower is better to remove; +inf where it is not finite), `k`
        (repeats with an outcome), `failed`, `diverged` (runs), and the means over the outcomes of
        `{final,best}_test_{accuracy,loss}`: -inf (accuracy) and +inf (loss) if a repeat diverged, NaN if k is 0.

    Raises:
        ValueError: If there is no record, a column is missing, two records are of the same run, a study has two
            hashes, or a run with status ok lacks a metric.
    """
    runs = _checked(runs)
    rows = [_combination(group) for _, group in runs.groupby(["study", "_key"], sort=False)]
    columns = ["study", "study_hash", "combo", "removed", "picked_by", "score", "k", "failed", "diverged"]
    table = pd.DataFrame(rows, columns=[*columns, *METRIC_COLUMNS])
    for column in ("combo", "picked_by"):
        table[column] = pd.Series([row[column] for row in rows], dtype=object, index=table.index)
    order = sorted(range(len(rows)), key=lambda i: (rows[i]["study"], *_place(rows[i])))
    return table.iloc[order].reset_index(drop=True)


def correlate(runs: pd.DataFrame) -> pd.DataFrame:
    """Every number about a criterion, one row per study, epoch (final, best) and metric (accuracy, loss).

    Args:
        runs: One row per record, with the columns of a record; several studies may be mixed.

    Returns:
        Columns `study`, `study_hash`, `epoch`, `metric`; the counts `n` (combinations with an outcome), `k` (repeats),
        `runs` (records), `missing`, `failed`, `diverged` (runs), `incomplete` (combinations with fewer than k
        outcomes); `agreement` (s; higher is better), `tau`, `p`, `valid` (Definition 3.1 of paper 1),
        `agreement_without_diverged`; `repeat_tau`, `rho_1`, `rho_k`, `ceiling` (noise ceiling of s, from
        `ceiling_n` complete combinations); `anomaly_ratio`; `counterexample_ratio`, `counterexamples`, `pairs`,
        `tied_score`, `tied_final` (pairs), `tie_share` (of the metric); `note` says what is not defined, and why.

    Raises:
        ValueError: As `combinations_table`.
    """
    runs = _checked(runs)
    rows: list[dict[str, Any]] = []
    for _, study in runs.groupby("study", sort=False):
        combos = combinations_table(study)
        counted = study[study["picked_by"].isna()]
        combos = combos[combos["picked_by"].isna()]
        counts = _counts(counted, combos)
        combos = combos[combos["k"] > 0]
        for column, metric in METRIC_COLUMNS.items():
            row = {"study": study["study"].iloc[0], "study_hash": study["study_hash"].iloc[0]}
            row |= {"epoch": column.split("_")[0], "metric": metric, **counts}
            statistics, undefined = _statistics(combos, column)
            ceiling, no_ceiling = _ceiling(counted, column, counts["k"])
            note = "; ".join(sentence for sentence in (undefined, no_ceiling) if sentence)
            rows.append({**row, **statistics, **ceiling, "note": note})
    table = pd.DataFrame(rows)
    return table.astype({"valid": "boolean", **dict.fromkeys(_PAIR_COUNTS, "Int64")})


def format_table(table: pd.DataFrame) -> Table:
    """Lay out the rows of one study (from `correlate`) for a terminal of 80 columns.

    Shares are in percent; "valid (3.1)" is Definition 3.1 of paper 1.
    """
    first = table.iloc[0]
    title = f"{escape(str(first['study']))}\nn = {first['n']}, k = {first['k']}"
    caption = (
        f"{first['runs']} runs; {first['missing']} missing, {first['failed']} failed, {first['diverged']} diverged; "
        f"{first['incomplete']} combinations short of repeats"
    )
    notes = [escape(note) for note in dict.fromkeys(table["note"]) if note]
    layout = Table(title=title, caption="\n".join([caption, *notes]), title_justify="left", caption_justify="left")
    layout.box, layout.show_edge, layout.padding = SIMPLE_HEAD, False, (0, 0, 0, 0)
    rows = [_cells(row) for _, row in table.iterrows()]
    for heading in rows[0]:
        layout.add_column(heading, justify="left" if heading in ("epoch", "metric") else "right", no_wrap=True)
    for row in rows:
        layout.add_row(*row.values())
    return layout


def _cells(row: pd.Series) -> dict[str, str]:
    cells = {"epoch": row["epoch"], "metric": row["metric"], "s": _number(row["agreement"], "+.2f")}
    if row["diverged"]:
        cells["s w/o\ndiverged"] = _number(row["agreement_without_diverged"], "+.2f")
    return {
        **cells,
        "tau": _number(row["tau"], "+.2f"),
        "p": _number(row["p"], ".1e" if row["p"] < 0.001 else ".3f"),
        "valid\n(3.1)": _UNDEFINED if pd.isna(row["valid"]) else ("yes" if row["valid"] else "no"),
        "ceiling": _number(row["ceiling"], ".2f"),
        "anomaly\n%": _number(100 * row["anomaly_ratio"], ".1f"),
        "counter-\nex. %": _number(100 * row["counterexample_ratio"], ".1f"),
        "ties\n%": _number(100 * row["tie_share"], ".1f"),
    }


def _checked(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs with a column `_key` that names their combination, after every check of what a user gave."""
    columns = [*_RECORD_COLUMNS, "pruned_train_loss", *METRIC_COLUMNS]
    if absent := [column for column in columns if column not in runs.columns]:
        raise ValueError(f"runs must have the columns of a record; got none called {', '.join(absent)}")
    if runs.empty:
        raise ValueError("runs must hold at least one record; got none")
    hashes = runs.groupby("study")["study_hash"].nunique(dropna=False)
    if hashes.max() > 1:
        raise ValueError(f"runs must have one study_hash per study; got {hashes.max()} for {hashes.idxmax()}")
    runs = runs.copy()
    for column in ("pruned_train_loss", *METRIC_COLUMNS):
        runs[column] = pd.to_numeric(runs[column]).astype("float64")
    identity = zip(runs["picked_by"], runs["combo"], runs["removed"], strict=True)
    runs["_key"] = [_key(picked_by, combo, removed) for picked_by, combo, removed in identity]
    if (twice := runs.duplicated(["study", "_key", "repeat"])).any():
        run = runs[twice].iloc[0]
        raise ValueError(f"runs must hold one record per run; got two of {run['study']} {run['_key']} {run['repeat']}")
    lacking = runs[runs["status"] == "ok"][list(METRIC_COLUMNS)].isna().any(axis=1)
    if lacking.any():
        run = runs[runs["status"] == "ok"][lacking].iloc[0]
        raise ValueError(
            f"runs with status ok must have {', '.join(METRIC_COLUMNS)}; got none for {int(lacking.sum())} runs, "
            f"the first {run['study']} {run['_key']} {run['repeat']}"
        )
    return runs


def _key(picked_by: Any, combo: Any, removed: Any) -> str:
    name = json.dumps(removed, sort_keys=True) if pd.isna(combo) else str(int(combo))
    return f"{'' if pd.isna(picked_by) else picked_by}:{name}"


def _place(row: dict[str, Any]) -> tuple[str, bool, int]:
    return row["picked_by"] or "", row["combo"] is None, row["combo"] or 0


def _combination(group: pd.DataFrame) -> dict[str, Any]:
    first = group.iloc[0]
    outcomes = group[group["status"] != "failed"]
    diverged = int((outcomes["status"] == "diverged").sum())
    row = {column: first[column] for column in ("study", "study_hash", "removed")}
    row["combo"] = None if pd.isna(first["combo"]) else int(first["combo"])
    row["picked_by"] = None if pd.isna(first["picked_by"]) else first["picked_by"]
    row |= {"k": len(outcomes), "failed": len(group) - len(outcomes), "diverged": diverged}
    if outcomes.empty:
        return {**row, "score": np.nan, **dict.fromkeys(METRIC_COLUMNS, np.nan)}
    # The score is the same in every repeat; a record that diverged may lack it.
    scores = outcomes["pruned_train_loss"].to_numpy()
    scores = scores[np.isfinite(scores)]
    row["score"] = _mean(scores) if len(scores) else np.inf
    for column, metric in METRIC_COLUMNS.items():
        worst = -np.inf if HIGHER_IS_BETTER[metric] else np.inf
        row[column] = worst if diverged else _mean(outcomes[column].to_numpy())
    return row


def _mean(values: np.ndarray) -> float:
    return float(np.round(values.mean(), _MEAN_DECIMALS))


def _counts(runs: pd.DataFrame, combos: pd.DataFrame) -> dict[str, int]:
    k = runs["repeat"].nunique()
    expected = len(combos)
    sizes = runs.loc[runs["order"] == "lexicographic", "space_size"].dropna()
    if len(sizes) and sizes.iloc[0] <= ENUMERATION_LIMIT:
        expected = int(sizes.iloc[0])
    return {
        "n": int((combos["k"] > 0).sum()),
        "k": k,
        "runs": len(runs),
        "missing": expected * k - len(runs),
        "failed": int(combos["failed"].sum()),
        "diverged": int(combos["diverged"].sum()),
        "incomplete": int((combos["k"] < k).sum()),
    }


def _statistics(combos: pd.DataFrame, column: str) -> tuple[dict[str, Any], str]:
    score, final = combos["score"].to_numpy(), combos[column].to_numpy()
    higher_is_better = HIGHER_IS_BETTER[METRIC_COLUMNS[column]]
    if len(combos) < 2:
        names = ["agreement", "tau", "p", "agreement_without_diverged", "anomaly_ratio", "counterexample_ratio"]
        undefined = {**dict.fromkeys([*names, "tie_share"], np.nan), **dict.fromkeys(["valid", *_PAIR_COUNTS])}
        return undefined, f"statistics need at least 2 combinations with an outcome; there are {len(combos)}"
    tau, p = kendall(score, final)
    s = signed(tau, higher_is_better=higher_is_better)
    pairs = counterexamples(score, final, higher_is_better=higher_is_better)
    finite = np.isfinite(score) & (combos["diverged"] == 0).to_numpy()
    beside = kendall(score[finite], final[finite])[0] if finite.sum() > 1 else np.nan
    statistics = {
        "agreement": s,
        "tau": tau,
        "p": p,
        "valid": None if np.isnan(tau) else is_valid(s, p),
        "agreement_without_diverged": signed(beside, higher_is_better=higher_is_better),
        "anomaly_ratio": anomaly_ratio(score, final, higher_is_better=higher_is_better),
        "counterexample_ratio": pairs.ratio,
        "counterexamples": pairs.counterexamples,
        "pairs": pairs.pairs,
        "tied_score": pairs.tied_score,
        "tied_final": pairs.tied_final,
        "tie_share": tie_share(final),
    }
    constant = [name for name, values in (("scores", score), (f"{column} values", final)) if len(set(values)) == 1]
    return statistics, f"tau is not defined: all {' and all '.join(constant)} are equal" if constant else ""


def _ceiling(runs: pd.DataFrame, column: str, k: int) -> tuple[dict[str, float], str]:
    names = ["repeat_tau", "rho_1", "rho_k", "ceiling"]
    finals = runs[runs["status"] == "ok"].pivot(index="_key", columns="repeat", values=column)
    finals = finals.reindex(columns=runs["repeat"].unique()).dropna()
    undefined = {**dict.fromkeys(names, np.nan), "ceiling_n": 0}
    if k < 2:
        return undefined, "no repeats, so no noise ceiling" if k else ""
    if len(finals) < 2:
        return undefined, f"no noise ceiling: it needs 2 combinations with all {k} repeats; there are {len(finals)}"
    estimate = noise_ceiling(finals.to_numpy())
    values = (estimate.t, estimate.rho_1, estimate.rho_k, estimate.s_max)
    note = f"no noise ceiling: in one repeat all {column} values are equal" if np.isnan(estimate.t) else ""
    return {**dict(zip(names, values, strict=True)), "ceiling_n": len(finals)}, note


def _number(value: float, form: str) -> str:
    return _UNDEFINED if np.isnan(value) else format(value, form)
