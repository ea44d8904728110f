"""Runs with the stored scores of their combinations: a column `score_NAME` for each criterion."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from oraclecheck.records.scores import SCORES, Scores, study_scores


def with_scores(runs: pd.DataFrame, sources: Sequence[str]) -> tuple[pd.DataFrame, dict[str, list[Scores]]]:
    """The runs with the scores that every study has, and the tables they are from.

    Args:
        runs: As `load_runs` gives them.
        sources: What they were loaded from; studies' folders, and folders of studies, may have scores.

    Returns:
        The runs with a column `score_NAME` for each criterion that has scored every study (NaN where a combination has
        no score), and criterion -> its tables, one a study.

    Raises:
        ValueError: If a table of scores cannot be read, or is another study's.
    """
    found: dict[str, dict[str, Scores]] = {}
    hashes = dict(zip(runs["study"], runs["study_hash"], strict=True))
    for study in hashes:
        for scores in study_scores(_folder(study, sources)):
            if scores.study_hash != hashes[study]:
                raise ValueError(f"{study}/{SCORES} must hold this study's scores; {scores.name} is of another one")
            found.setdefault(scores.name, {})[study] = scores
    tables = {name: list(each.values()) for name, each in found.items() if each.keys() == hashes.keys()}
    names = [str(c if pd.isna(p) else p) for c, p in zip(runs["combo"], runs["picked_by"], strict=True)]
    columns = {
        f"score_{name}": [
            found[name][study].values.get(combination, float("nan"))
            for study, combination in zip(runs["study"], names, strict=True)
        ]
        for name in tables
    }
    return runs.assign(**columns), tables


def _folder(study: str, sources: Sequence[str]) -> Path:
    """Where a study's scores may lie."""
    for source in map(Path, sources):
        for folder in (source, source / study):
            if folder.resolve().name == study and folder.is_dir():
                return folder
    return Path(study)
