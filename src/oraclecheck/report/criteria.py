"""A report of several criteria: a row for each, and the difference of every two."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from oraclecheck.analysis.chance import RANDOM, with_random
from oraclecheck.analysis.criteria import differences, judge, mean_differences, mean_ranks
from oraclecheck.analysis.criterion import ORACLE, SCORE_COLUMN, Criterion, named
from oraclecheck.analysis.figures.criteria import ranked, save_criteria
from oraclecheck.analysis.networks import across_networks
from oraclecheck.analysis.rounding import agreement, agreement_interval, decimal, p_value
from oraclecheck.analysis.words import describe, short_names, varying
from oraclecheck.files import write_atomically
from oraclecheck.records.scores import Scores
from oraclecheck.report.cells import cells, regret
from oraclecheck.report.typesetting import Layout, latex, markdown

COLUMNS = ("n", "k", "s", "95 %", "rank", "ceiling", "permuted p", "anomalies", "regret", "relation", "verdict")


@dataclass(frozen=True)
class Setting:
    """The studies of one setting, and what they say of the criteria.

    Attributes:
        name: What tells it from the other settings; empty if there is no other.
        table: Its rows of `CriteriaFindings.table`.
        means: Its rows of `CriteriaFindings.networks`; none of a single study.
        pairs: Its rows of `CriteriaFindings.means`, or of `pairs` where it is a single study.
    """

    name: str
    table: pd.DataFrame
    means: pd.DataFrame
    pairs: pd.DataFrame


@dataclass(frozen=True)
class CriteriaFindings:
    """What is known of several criteria.

    Attributes:
        table: A row per study, metric and criterion, those of `analysis.criteria.judge` with `seconds` (to score the
            study; NaN of the oracle and of a `random` that was drawn for this report), the criteria of a study and
            metric by falling agreement.
        networks: Means over dense networks, rows of `across_networks` with the rank, and the means over the networks of
            `ceiling`, `anomaly_ratio`, `regret` and `seconds`; maybe none.
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

    def tables(self) -> dict[str, pd.DataFrame]:
        """The same unrounded, by name: what is said of each study, then of the means over dense networks."""
        tables = {"criteria": [self.table, self.networks], "criteria_pairs": [self.pairs, self.means]}
        filled = {name: [part for part in parts if len(part)] for name, parts in tables.items()}
        return {name: pd.concat(parts) for name, parts in filled.items() if parts}

    def settings(self) -> list[Setting]:
        """The settings, those of a file of points apart, in the order of the table."""
        keys = self.table["setting_hash"].where(self.table["setting_hash"].notna(), self.table["study"])
        groups = [rows for _, rows in self.table.groupby(keys, sort=False)]
        names = [name for name in varying(pd.concat([rows.iloc[:1] for rows in groups])) if name != "pretrain_seed"]
        return [self._setting(rows, describe(rows.iloc[0], names)) for rows in groups]

    def _setting(self, table: pd.DataFrame, name: str) -> Setting:
        key = table["setting_hash"].iloc[0]
        means, pairs = (
            rows[rows["setting_hash"] == key] if len(rows) and not pd.isna(key) else pd.DataFrame()
            for rows in (self.networks, self.means)
        )
        if pairs.empty and len(self.pairs):
            pairs = self.pairs[self.pairs["study"] == table["study"].iloc[0]]
        return Setting(name, table, means, pairs)


def criteria_of(runs: pd.DataFrame) -> list[Criterion]:
    """The oracle, and every criterion with a column of scores."""
    stored = [str(name).removeprefix(SCORE_COLUMN) for name in runs if str(name).startswith(SCORE_COLUMN)]
    return [ORACLE, *(named(name) for name in stored if name != ORACLE.name)]


def find_criteria(
    runs: pd.DataFrame, scores: Mapping[str, Sequence[Scores]], *, final: str, metric: str
) -> CriteriaFindings:
    """Judge all criteria that have scores, the oracle, and one that ranks filters at random.

    Args:
        runs: With the columns of `records.scored_runs.with_scores`.
        scores: Its tables.
        final: "last" or "best".
        metric: "accuracy", "loss" or "both".

    Raises:
        ValueError: As `correlate`; if a run with an outcome has no score.
    """
    for each in criteria_of(runs)[1:]:
        lacking = int((runs["status"].isin(["ok", "diverged"]) & runs[each.column].isna()).sum())
        if lacking:
            raise ValueError(
                f"every combination must have its score of {each.name}; {lacking} runs are of some that have none: "
                f"python -m oraclecheck.score STUDY criterion={each.name} scores them"
            )
    runs, _ = with_random(runs)
    criteria = criteria_of(runs)
    table = judge(runs, criteria, final=final, metric=metric)
    hashes = dict(zip(runs["study"], runs["study_hash"], strict=True))
    took = {(each.study_hash, name): each.seconds for name, tables in scores.items() for each in tables}
    took = {key: seconds for key, seconds in took.items() if key[1] != ORACLE.name}
    keys = zip(table["study"], table["criterion"], strict=True)
    table["seconds"] = pd.Series([took.get((hashes[study], name)) for study, name in keys], dtype=float)
    table = table.sort_values(["study", "metric", "agreement"], ascending=[True, True, False], ignore_index=True)
    pairs = differences(runs, criteria, final=final, metric=metric)
    networks = mean_ranks(table, _with_choices(across_networks(table), table))
    return CriteriaFindings(table, networks, pairs, mean_differences(pairs))


def _with_choices(networks: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """The means over networks with those of what else is shown of a criterion."""
    averaged = ["ceiling", "anomaly_ratio", "regret", "seconds"]
    found = []
    for _, mean in networks.iterrows():
        same = (table["criterion"] == mean["criterion"]) & (table["metric"] == mean["metric"])
        found.append(table.loc[same & table["study"].isin(mean["studies"]), averaged].astype(float).mean(skipna=False))
    return networks.assign(**{name: [each[name] for each in found] for name in averaged})


def write_criteria(findings: CriteriaFindings, folder: Path) -> Iterator[Path]:
    """Write `criteria` and `criteria_pairs` as csv, md and tex, and a figure `criteria_{accuracy,loss}` as png and pdf.

    Of several settings each has its figure, `criteria_accuracy_1` and so on in the order of the table.

    Yields:
        Each path, once it is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tables, settings = findings.tables(), findings.settings()
    for layout in findings.layouts():
        texts = {"csv": tables[layout.name].to_csv(index=False), "md": markdown(layout), "tex": latex(layout)}
        for suffix, text in texts.items():
            path = folder / f"{layout.name}.{suffix}"
            write_atomically(path, lambda file, text=text: file.write(text.encode()))  # type: ignore[misc]
            yield path
    for number, setting in enumerate(settings, 1):
        for metric in dict.fromkeys(setting.table["metric"]):
            stem = f"criteria_{metric}{f'_{number}' if len(settings) > 1 else ''}"
            asked: dict[str, Any] = {"networks": setting.means, "metric": metric, "label": setting.name or None}
            yield from save_criteria(setting.table, folder / stem, **asked)


def criteria_cells(row: pd.Series) -> dict[str, str]:
    """The printed cells of a criterion's row, by their headings."""
    return {**cells(row), "regret": regret(row), "rank": ranked(row), "seconds": decimal(row["seconds"])}


def _criteria_layout(table: pd.DataFrame, networks: pd.DataFrame) -> Layout:
    rows: list[tuple[str, ...]] = []
    for part in (table.assign(study=short_names(table["study"])), networks.assign(study="mean")):
        for _, group in part.groupby(["study", "metric"], sort=False):
            rows += [()] if rows else []
            for _, row in group.sort_values("agreement", ascending=False).iterrows():
                said = criteria_cells(row)
                told = [said[name] for name in (*COLUMNS, "seconds")]
                rows.append((str(row["study"]), str(row["metric"]), row["criterion"], *told))
    heads = ("study", "metric", "criterion", *COLUMNS, "seconds")
    return Layout("criteria", "Criteria, by agreement, over the same combinations", heads, tuple(rows), NOTES, left=3)


NOTES = (
    "s: agreement with the metric after retraining, positive where the criterion points the right way, with its "
    "95 % interval; rank: by s, with its 95 % interval; ceiling: the s of a perfect predictor; anomalies: % of "
    "combinations better than the criterion's choice; regret: what the choice costs at least, cross-fitted, in % or "
    "nats; seconds: to score the study. Scores count as exact; partial_accuracy is of the same retrainings as the "
    f"metric and shares their noise. {RANDOM} knows nothing: a seeded permutation of the filters, the floor.",
)
"""What the columns are."""


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
