"""What the runs of a study came to, as arrays over its combinations (rows) and repeats (columns)."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

HIGHER_IS_BETTER = {"accuracy": True, "loss": False}
METRIC_COLUMNS = {f"{final}_test_{metric}": metric for final in ("final", "best") for metric in HIGHER_IS_BETTER}
SCORE = "pruned_train_loss"

STATUSES = ("ok", "diverged", "failed", "unfinished")
_OUTCOMES = ("ok", "diverged")

# Means of the same accuracies can differ in the 16th digit, which would break ties. Distinct ones differ by at least
# one test image in one repeat, far above this.
_MEAN_DECIMALS = 12

_NEEDED = ["study", "study_hash", "order", "space_size", "combo", "removed", "picked_by", "repeat", "status", SCORE]


@dataclass(frozen=True)
class Outcomes:
    """One study's runs; n combinations, K repeats.

    Attributes:
        first: One record of each combination, for its identity; n rows.
        score: Pruned train loss, shape (n,); +inf where it is not finite, NaN where there is no outcome.
        finals: Metric column -> values, shape (n, K); NaN where there is no outcome (of that run, or of that metric in
            the whole study), the worst value where the run diverged.
        status: Runs of each combination with each status, n rows and one column per word of `STATUSES`.
    """

    first: pd.DataFrame
    score: NDArray[np.float64]
    finals: dict[str, NDArray[np.float64]]
    status: pd.DataFrame

    @property
    def k(self) -> NDArray[np.int64]:
        """Repeats with an outcome, shape (n,)."""
        return self.status[list(_OUTCOMES)].sum(axis=1).to_numpy()

    def means(self, column: str) -> NDArray[np.float64]:
        """Mean of a metric over the repeats with an outcome, shape (n,); NaN if there is none, infinite if diverged."""
        return mean_of_repeats(self.finals[column])


def checked(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs with every metric column and a column `_key` that names the combination.

    Raises:
        ValueError: If there is no record, a column is missing, two records are of the same run, a study has two
            hashes, a status is unknown, or a run with status ok lacks its score or a metric that its study has.
    """
    if absent := [column for column in _NEEDED if column not in runs.columns]:
        raise ValueError(f"runs must have the columns of a record; got none called {', '.join(absent)}")
    if not any(column in runs.columns for column in METRIC_COLUMNS):
        raise ValueError(f"runs must have a metric after retraining; got no column {', '.join(METRIC_COLUMNS)}")
    if runs.empty:
        raise ValueError("runs must hold at least one record; got none")
    hashes = runs.groupby("study")["study_hash"].nunique(dropna=False)
    if hashes.max() > 1:
        raise ValueError(f"runs must have one study_hash per study; got {hashes.max()} for {hashes.idxmax()}")
    if unknown := sorted(set(map(str, runs["status"])) - set(STATUSES)):
        raise ValueError(f"runs must have a status out of {', '.join(STATUSES)}; got {unknown[0]!r}")
    runs = runs.copy()
    for column in (SCORE, *METRIC_COLUMNS):
        runs[column] = pd.to_numeric(runs[column]).astype("float64") if column in runs else np.nan
    identity = zip(runs["picked_by"], runs["combo"], runs["removed"], strict=True)
    runs["_key"] = [_key(picked_by, combo, removed) for picked_by, combo, removed in identity]
    if (twice := runs.duplicated(["study", "_key", "repeat"])).any():
        run = runs[twice].iloc[0]
        raise ValueError(f"runs must hold one record per run; got two of {run['study']} {run['_key']} {run['repeat']}")
    _refuse_lacking(runs)
    return runs


def _refuse_lacking(runs: pd.DataFrame) -> None:
    for column in (SCORE, *METRIC_COLUMNS):
        measured = runs.groupby("study")[column].transform(lambda values: values.notna().any())
        lacking = runs[(runs["status"] == "ok") & runs[column].isna() & (measured | (column == SCORE))]
        if len(lacking):
            run = lacking.iloc[0]
            raise ValueError(
                f"runs with status ok must have {column}; got none for {len(lacking)} runs, the first "
                f"{run['study']} {run['_key']} {run['repeat']}"
            )


def outcomes(study: pd.DataFrame) -> Outcomes:
    """Sort the runs of one study into arrays, combinations in the order of their space, picked ones last.

    Args:
        study: The rows of one study from `checked`.
    """
    _, firsts, rows = np.unique(study["_key"].to_numpy(str), return_index=True, return_inverse=True)
    records = study.iloc[firsts]
    place = sorted(range(len(records)), key=lambda i: _place(records["picked_by"].iloc[i], records["combo"].iloc[i]))
    where = np.empty(len(place), dtype=int)
    where[place] = np.arange(len(place))
    rows = where[rows]
    repeats, columns = np.unique(study["repeat"].to_numpy(), return_inverse=True)
    status = study["status"].to_numpy(str)
    counts = {word: np.bincount(rows[status == word], minlength=len(place)) for word in STATUSES}
    outcome, diverged = np.isin(status, _OUTCOMES), status == "diverged"
    finals = {}
    for column, metric in METRIC_COLUMNS.items():
        worst = -np.inf if HIGHER_IS_BETTER[metric] else np.inf
        values = np.where(diverged, worst, study[column].to_numpy())
        finals[column] = np.full((len(place), len(repeats)), np.nan)
        # A metric that the study does not have stays NaN, diverged runs included.
        if study[column].notna().any() or not (status == "ok").any():
            finals[column][rows[outcome], columns[outcome]] = values[outcome]
    scores = np.full((len(place), len(repeats)), np.nan)
    scores[rows[outcome], columns[outcome]] = study[SCORE].to_numpy()[outcome]
    # The score is the same in every repeat; a record that diverged may lack it.
    score = mean_of_repeats(np.where(np.isfinite(scores), scores, np.nan))
    some = np.isin(np.arange(len(place)), rows[outcome])
    score[np.isnan(score) & some] = np.inf
    return Outcomes(records.iloc[place].reset_index(drop=True), score, finals, pd.DataFrame(counts))


def mean_of_repeats(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of each row over the values that are not NaN, rounded far below one test image; NaN if there is none."""
    there = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.round(np.where(there, values, 0).sum(axis=1) / there.sum(axis=1), _MEAN_DECIMALS)


def common_repeats(finals: NDArray[np.float64]) -> NDArray[np.float64]:
    """The columns of the repeats that at least half of the combinations have.

    A repeat that only a few have yet would leave only those few where all repeats are needed.
    """
    return finals[:, (~np.isnan(finals)).mean(axis=0) >= 0.5]


def _key(picked_by: Any, combo: Any, removed: Any) -> str:
    name = json.dumps(removed, sort_keys=True) if pd.isna(combo) else str(int(combo))
    return f"{'' if pd.isna(picked_by) else picked_by}:{name}"


def _place(picked_by: Any, combo: Any) -> tuple[str, bool, int]:
    return "" if pd.isna(picked_by) else picked_by, bool(pd.isna(combo)), 0 if pd.isna(combo) else int(combo)
