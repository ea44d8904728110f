"""What the runs of a study came to, as arrays over its combinations (rows) and repeats (columns)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oraclecheck.analysis.criterion import ORACLE, Criterion
from oraclecheck.analysis.metrics import HIGHER_IS_BETTER, METRIC_COLUMNS
from oraclecheck.analysis.words import combination_name
from oraclecheck.records.combination_key import Key, combination_keys, is_number
from oraclecheck.study.identity import ONE_RUN

STATUSES = ("ok", "diverged", "failed", "unfinished")
OUTCOMES = ("ok", "diverged")

_NEEDED = (*ONE_RUN, "study_hash", "order", "space_size", "removed", "status")
_SCORE = "_score"
_KEY = "_key"


RANDOM_BEFORE = ("iterative", "scratch")
"""Pipelines whose network before its last retraining has a random history, so that repeats differ in it already."""


def differs_between_repeats(study: pd.DataFrame) -> bool:
    """Whether the network before retraining is another one in every repeat; a combination's score is then a mean."""
    return "pipeline" in study and bool(study["pipeline"].isin(RANDOM_BEFORE).any())


@dataclass(frozen=True)
class Outcomes:
    """One study's runs; n combinations, K repeats.

    Attributes:
        first: One record of each combination, for its identity; n rows.
        keys: Key of each combination, n of them; see `records.combination_key`.
        score: The criterion's, shape (n,), a mean where repeats differ in it by right; +inf where it is not finite, NaN
            where there is no outcome.
        there: Whether there is an outcome, shape (n, K).
        finals: Metric column -> values, shape (n, K); NaN where there is no outcome (of that run, or of that metric in
            the whole study), the worst value where the run diverged.
        status: Runs of each combination with each status, n rows and one column per word of `STATUSES`.
    """

    first: pd.DataFrame
    keys: list[Key]
    score: NDArray[np.float64]
    there: NDArray[np.bool_]
    finals: dict[str, NDArray[np.float64]]
    status: pd.DataFrame

    @property
    def k(self) -> NDArray[np.int64]:
        """Repeats with an outcome, shape (n,)."""
        return self.status[list(OUTCOMES)].sum(axis=1).to_numpy()


def checked(runs: pd.DataFrame, criterion: Criterion = ORACLE) -> pd.DataFrame:
    """The runs with every metric column, and columns `_score` (the criterion's) and `_key` (names the combination).

    Raises:
        ValueError: If there is no record, a column is missing, two records are of the same run, a study has two
            hashes or says only of some combinations which filters they lack, a status is unknown, or a run with status
            ok lacks its score or a metric that its study has.
    """
    if absent := [column for column in (*_NEEDED, criterion.column) if column not in runs.columns]:
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
    for column in (criterion.column, *METRIC_COLUMNS):
        runs[column] = pd.to_numeric(runs[column]).astype("float64") if column in runs else np.nan
    runs[_SCORE] = runs[criterion.column]
    runs[_KEY] = pd.Series(combination_keys(runs), dtype=object, index=runs.index)
    if (twice := runs.assign(picked_by=_picked_by(runs), combo=runs[_KEY]).duplicated(list(ONE_RUN))).any():
        raise ValueError(f"runs must hold one record per run; got two of {_name(runs[twice].iloc[0])}")
    for column in (criterion.column, *METRIC_COLUMNS):
        has_it = runs.groupby("study")[column].transform(lambda values: values.notna().any())
        lacking = runs[(runs["status"] == "ok") & runs[column].isna() & (has_it | (column == criterion.column))]
        if len(lacking):
            which = f"{len(lacking)} runs, the first {_name(lacking.iloc[0])}"
            raise ValueError(f"runs with status ok must have {column}; got none for {which}")
    numbered = runs[runs["picked_by"].isna()]
    kinds = numbered[_KEY].map(is_number).groupby(numbered["study"]).nunique()
    if (kinds > 1).any():
        raise ValueError(
            f"runs of a study must all say which filters they removed, or none; some of {kinds.idxmax()} have an empty "
            "removed, so that one combination could count twice"
        )
    return runs


def outcomes(study: pd.DataFrame) -> Outcomes:
    """Sort the runs of one study into arrays, combinations in the order of their space, picked ones last.

    Args:
        study: The rows of one study from `checked`.
    """
    numbers = [(True, 0) if pd.isna(combo) else (False, int(combo)) for combo in study["combo"]]
    places = list(zip(_picked_by(study), numbers, strict=True))
    study = study.iloc[sorted(range(len(study)), key=places.__getitem__)]
    codes: dict[tuple[str, Key], int] = {}
    keys = zip(_picked_by(study), study[_KEY], strict=True)
    rows = np.array([codes.setdefault(key, len(codes)) for key in keys], dtype=int)
    first = study.iloc[np.unique(rows, return_index=True)[1]].reset_index(drop=True)
    repeats, columns = np.unique(study["repeat"].to_numpy(), return_inverse=True)
    status = study["status"].to_numpy(str)
    counts = {word: np.bincount(rows[status == word], minlength=len(first)) for word in STATUSES}
    outcome, diverged = np.isin(status, OUTCOMES), status == "diverged"
    there = np.zeros((len(first), len(repeats)), dtype=bool)
    there[rows[outcome], columns[outcome]] = True
    finals = {}
    for column, metric in METRIC_COLUMNS.items():
        worst = -np.inf if HIGHER_IS_BETTER[metric] else np.inf
        values = np.where(diverged, worst, study[column].to_numpy())
        finals[column] = np.full((len(first), len(repeats)), np.nan)
        # A metric that the study does not have stays NaN, diverged runs included.
        if study[column].notna().any() or not (status == "ok").any():
            finals[column][rows[outcome], columns[outcome]] = values[outcome]
    # The score is the same in every repeat, or the study contradicts itself; a record that diverged may lack it.
    score = np.where(there.any(axis=1), np.inf, np.nan)
    finite = outcome & np.isfinite(study[_SCORE].to_numpy())
    score[rows[finite][::-1]] = study[_SCORE].to_numpy()[finite][::-1]  # the first record's is written last
    if differs_between_repeats(study):
        means = study[_SCORE][finite].groupby(rows[finite]).mean()
        score[means.index.to_numpy(int)] = means.to_numpy()
    return Outcomes(first, list(first[_KEY]), score, there, finals, pd.DataFrame(counts))


def _picked_by(runs: pd.DataFrame) -> list[str]:
    return ["" if pd.isna(name) else str(name) for name in runs["picked_by"]]


def _name(run: pd.Series) -> str:
    """A run as a user finds it on disk."""
    return f"{run['study']}: combination {combination_name(run)}, repeat {run['repeat']}"
