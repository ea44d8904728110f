"""A report of several criteria: a row for each, and the difference of every two."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from oraclecheck.analysis.criteria import differences, judge, mean_differences
from oraclecheck.analysis.criterion import ORACLE, SCORE_COLUMN, Criterion, named
from oraclecheck.analysis.networks import across_networks
from oraclecheck.analysis.rounding import agreement, agreement_interval, decimal, p_value, percent
from oraclecheck.analysis.words import short_names
from oraclecheck.files import write_atomically
from oraclecheck.records.scores import Scores
from oraclecheck.report.cells import cells
from oraclecheck.report.typesetting import Layout, latex, markdown

COLUMNS = ("n", "k", "s", "95 %", "ceiling", "permuted p", "anomalies", "relation", "verdict")


@dataclass(frozen=True)
class CriteriaFindings:
    """What is known of several criteria.

    Attributes:
        table: A row per study, metric and criterion, those of `tables.correlate` with `seconds` (to score the study; of
            the oracle none), the criteria of a study and metric by falling agreement.
        networks: Means over dense networks, rows of `across_networks`; maybe none.
        pairs: Rows of `analysis.criteria.differences`.
        means: Rows of `analysis.criteria.mean_differences`; maybe none.
    """

    table: pd.DataFrame
    networks: pd.DataFrame
    pairs: pd.DataFrame
    means: pd.DataFrame

    def layouts(self) -> list[Layout]:
        """The tables that are printed."""
        found = [_criteria_layout(self.table, self.networks)]
        return [*found, _pairs_layout(self.pairs, self.means)] if len(self.pairs) else found


def criteria_of(runs: pd.DataFrame) -> list[Criterion]:
    """The oracle, and every criterion with a column of scores."""
    stored = [str(name).removeprefix(SCORE_COLUMN) for name in runs if str(name).startswith(SCORE_COLUMN)]
    return [ORACLE, *(named(name) for name in stored if name != ORACLE.name)]


def find_criteria(
    runs: pd.DataFrame, scores: Mapping[str, Sequence[Scores]], *, final: str, metric: str
) -> CriteriaFindings:
    """Judge all criteria that have scores, and the oracle.

    Args:
        runs: With the columns of `records.scored_runs.with_scores`.
        scores: Its tables.
        final: "last" or "best".
        metric: "accuracy", "loss" or "both".

    Raises:
        ValueError: As `correlate`; if a run with an outcome has no score.
    """
    criteria = criteria_of(runs)
    for each in criteria[1:]:
        lacking = int((runs["status"].isin(["ok", "diverged"]) & runs[each.column].isna()).sum())
        if lacking:
            raise ValueError(
                f"every combination must have its score of {each.name}; {lacking} runs are of some that have none: "
                f"python -m oraclecheck.score STUDY criterion={each.name} scores them"
            )
    table = judge(runs, criteria, final=final, metric=metric)
    hashes = dict(zip(runs["study"], runs["study_hash"], strict=True))
    took = {(each.study_hash, name): each.seconds for name, tables in scores.items() for each in tables}
    took = {key: seconds for key, seconds in took.items() if key[1] != ORACLE.name}
    keys = zip(table["study"], table["criterion"], strict=True)
    table["seconds"] = [took.get((hashes[study], name)) for study, name in keys]
    table = table.sort_values(["study", "metric", "agreement"], ascending=[True, True, False], ignore_index=True)
    pairs = differences(runs, criteria, final=final, metric=metric)
    return CriteriaFindings(table, across_networks(table), pairs, mean_differences(pairs))


def write_criteria(findings: CriteriaFindings, folder: Path) -> Iterator[Path]:
    """Write `criteria.{csv,md,tex}` and `criteria_pairs.{csv,md,tex}`; gives each path once it is written."""
    tables = {
        "criteria": pd.concat([findings.table, findings.networks]),
        "criteria_pairs": pd.concat([findings.pairs, findings.means]),
    }
    for layout in findings.layouts():
        texts = {"csv": tables[layout.name].to_csv(index=False), "md": markdown(layout), "tex": latex(layout)}
        for suffix, text in texts.items():
            path = folder / f"{layout.name}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, lambda file, text=text: file.write(text.encode()))  # type: ignore[misc]
            yield path


def _criteria_layout(table: pd.DataFrame, networks: pd.DataFrame) -> Layout:
    rows: list[tuple[str, ...]] = []
    named = table.assign(study=short_names(table["study"]))
    means = networks.assign(study="mean", seconds=None)
    for part in (named, means):
        for _, group in part.groupby(["study", "metric"], sort=False):
            rows += [()] if rows else []
            for _, row in group.sort_values("agreement", ascending=False).iterrows():
                said = cells(row)
                regret = percent(row.get("regret"), 2) if row["metric"] == "accuracy" else decimal(row.get("regret"), 4)
                told = (*(said[name] for name in COLUMNS[:7]), regret, *(said[name] for name in COLUMNS[7:]))
                rows.append((str(row["study"]), str(row["metric"]), row["criterion"], *told, decimal(row["seconds"])))
    heads = (*COLUMNS[:7], "regret", *COLUMNS[7:], "seconds")
    notes = (
        "s: agreement with the metric after retraining, positive where the criterion points the right way, with its "
        "95 % interval; ceiling: the s of a perfect predictor; anomalies: % of combinations better than the "
        "criterion's choice; regret: what the choice costs at least, in % or nats; seconds: to score the study. Scores "
        "count as exact; partial_accuracy is of the same retrainings as the metric and shares their noise.",
    )
    title = "Criteria, by agreement, over the same combinations"
    return Layout("criteria", title, ("study", "metric", "criterion", *heads), tuple(rows), notes, left=3)


def _pairs_layout(pairs: pd.DataFrame, means: pd.DataFrame) -> Layout:
    shown = pairs.assign(study=short_names(pairs["study"]))
    rows = [*_pairs(shown, "p_permutation"), *([()] if len(means) else []), *_pairs(means.assign(study="mean"), "p")]
    heads = ("study", "metric", "A", "B", "s of A - s of B", "95 %", "p", "Holm")
    notes = (
        "Both criteria over the same combinations; p: filters relabelled for both at once, of a mean over dense "
        "networks the t-test's; Holm: over the pairs.",
    )
    return Layout("criteria_pairs", "Every two criteria", heads, tuple(rows), notes, left=4)


def _pairs(pairs: pd.DataFrame, p: str) -> list[tuple[str, ...]]:
    return [
        (
            *(str(row[name]) for name in ("study", "metric", "criterion_a", "criterion_b")),
            agreement(row["difference"]),
            agreement_interval(row["difference_low"], row["difference_high"]),
            p_value(row[p]),
            p_value(row["p_holm"]),
        )
        for _, row in pairs.iterrows()
    ]
