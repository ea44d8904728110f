"""What the tables of a report say: one study by itself, several in rows, the combinations of one, two compared.

Every function takes rows of `tables.correlate` (or of its siblings) and returns a `Layout` of printed cells. What is
valid was decided before, on unrounded values.
"""

from collections.abc import Iterable, Sequence

import pandas as pd

from oraclecheck.analysis.criterion import ORACLE, Criterion
from oraclecheck.analysis.metrics import FINALS, UNIT, metric_name
from oraclecheck.analysis.rounding import UNDEFINED, agreement, decimal, outcome, p_value
from oraclecheck.analysis.shared_networks import MEAN
from oraclecheck.analysis.verdict import tally
from oraclecheck.analysis.words import heading, shared, short_names, spell, varying
from oraclecheck.pruning.combination import spell_removed
from oraclecheck.report.cells import cells, compared, count, lacks, number_of, statistics
from oraclecheck.report.typesetting import Layout

COLUMNS = (
    "metric",
    "n",
    "k",
    "s",
    "95 %",
    "ceiling",
    "tau / p",
    "permuted p",
    "anomalies",
    "Def. 3.1",
    "relation",
    "verdict",
)
FEWER = ("metric", "s", "95 %", "ceiling", "relation", "verdict")
FEWEST = ("metric", "s", "relation", "verdict")
"""Columns of a table of studies, and what a narrow terminal has room for."""

_EXPLAINED = {
    "s": "s: agreement, -1 to 1, positive where the criterion points the right way",
    "95 %": "with its 95 % interval",
    "ceiling": "ceiling: the s that a perfect predictor would show through the retraining noise",
    "tau / p": "p: scipy's, which takes combinations as independent",
    "permuted p": "permuted p: filters relabelled at random",
    "anomalies": "anomalies: % of combinations better than the criterion's choice",
}


def study_layout(table: pd.DataFrame) -> Layout:
    """One study (its rows of `tables.correlate`) with all that is known of it: a row a statistic, a column a metric."""
    first = table.iloc[0]
    title = f"{first['study']}: {count(first)}"
    reasons = [f"{row['metric']}: {row['verdict']}: {row['reason']}" for _, row in table.iterrows()]
    columns = [statistics(row) for _, row in table.iterrows()]
    return _by_metric("study", title, table, columns, [*reasons, *table["note"], lacks(first)])


def studies_layout(
    table: pd.DataFrame, networks: pd.DataFrame, by: Sequence[str] = (), *, columns: Sequence[str] = COLUMNS
) -> Layout:
    """Several studies, a row for each study and metric, then a row for each group of dense networks.

    Args:
        table: Rows of `tables.correlate`.
        networks: Rows of `tables.across_networks`, maybe none.
        by: Columns that name a row; none: those in which the studies differ, and what is left of their names.
        columns: Those of `COLUMNS` to show.
    """
    names = list(by) or [*varying(table), "study"]
    shown = table if by else table.assign(study=short_names(table["study"]))
    rows: list[tuple[str, ...]] = []
    for part in (shown, networks.assign(study="mean", pretrain_seed="mean")):
        rows += [()] if rows and len(part) else []
        for _, row in part.iterrows():
            said = cells(row)
            rows.append((*(spell(name, row.get(name)) for name in names), *(said[name] for name in columns)))
    heads = tuple(map(heading, names))
    same = [
        f"{heading(name)} {spell(name, table[name].iloc[0])}" for name in shared(table) if name not in ("order", *by)
    ]
    setting = f": {', '.join(same)}" if same else ""
    title = f"Agreement of the criterion with the metric after retraining{setting}"
    studies = [row for _, row in table.drop_duplicates("study").iterrows()]
    incomplete = [f"{row['study']}: {text}" for row in studies if (text := lacks(row))]
    explained = "; ".join(_EXPLAINED[name] for name in columns if name in _EXPLAINED).replace("; with", ", with")
    tallied = [f"{metric}: {text}." for metric, text in tally(table, networks).items()]
    notes = (*tallied, f"{explained}.", *incomplete)
    return Layout("studies", title, (*heads, *columns), tuple(rows), notes, left=len(heads) + 1)


def settings_layout(groups: Sequence[pd.DataFrame]) -> Layout:
    """Settings that look alike in every table (`networks.unlike_settings`), with what tells them apart."""
    rows: list[tuple[str, ...]] = []
    for group in groups:
        rows += [()] if rows else []
        for _, setting in group.iterrows():
            studies = ", ".join(map(str, setting["studies"]))
            rows.append((spell("setting_hash", setting["setting_hash"]), studies, setting["differs"]))
    title = "Studies that look alike and differ in more than their dense network: no mean joins them"
    return Layout("settings", title, ("setting", "studies", "what differs"), tuple(rows), left=3)


def combinations_layout(
    combos: pd.DataFrame, *, final: str = "last", metrics: Sequence[str], criterion: Criterion = ORACLE
) -> Layout:
    """Every combination of a study by its number, as Table A5 of paper 1 prints them.

    Args:
        combos: One study's rows of `tables.combinations_table`; accuracies are fractions and printed in percent.
        final: "last" or "best".
        metrics: "accuracy", "loss", or both.
        criterion: What the scores are of.
    """
    known = combos["removed"].map(bool).any()  # files of points do not say which filters were removed
    rows = []
    for _, combo in combos.iterrows():
        name = str(combo["combo"]) if combo["picked_by"] is None else f"pick of {combo['picked_by']}"
        removed = [spell_removed(combo["removed"])] if known else []
        finals = (outcome(UNIT[metric] * combo[f"{FINALS[final]}_test_{metric}"], 4) for metric in metrics)
        rows.append((name, *removed, outcome(combo["score"], 4), *finals, str(combo["k"])))
    names = (f"{metric_name(final, metric)}{' (%)' if metric == 'accuracy' else ''}" for metric in metrics)
    label = ("combination", "removed") if known else ("combination",)
    headings = (*label, criterion.score, *names, "repeats")
    title = f"Combinations of {combos['study'].iloc[0]}"
    return Layout("combinations", title, headings, tuple(rows), left=len(label))


def comparison_layout(comparison: pd.DataFrame, labels: Sequence[str], setup: str = "") -> Layout:
    """Two studies over the same combinations (rows of `comparison.compare`), a column a metric.

    Args:
        comparison: See above.
        labels: What A and B are called.
        setup: A sentence on what the comparison is worth.
    """
    first = comparison.iloc[0]
    title = f"A: {labels[0]}, B: {labels[1]}: {first['n']} combinations in both"
    alone = f"left out: {first['only_a']} combinations only in A, {first['only_b']} only in B"
    notes = [alone] if first["only_a"] or first["only_b"] else []
    columns = [compared(row) for _, row in comparison.iterrows()]
    return _by_metric("comparison", title, comparison, columns, [*notes, *comparison["note"], setup])


def networks_comparison_layout(comparison: pd.DataFrame, labels: Sequence[str], setup: str = "") -> Layout:
    """Two settings over the dense networks that they share (rows of `shared_networks.compare_settings`).

    A row for each network and metric, and one for each mean over networks.

    Args:
        comparison: See above.
        labels: What A and B are called.
        setup: A sentence on what the comparison is worth.
    """
    is_mean = comparison["study_a"] == MEAN
    m = int(comparison.loc[is_mean, "networks"].iloc[0])
    rows: list[tuple[str, ...]] = []
    for part in (comparison[~is_mean], comparison[is_mean]):
        rows += [()] if rows else []
        for _, row in part.iterrows():
            named = ("mean", f"{m} networks") if row["study_a"] == MEAN else (_network(row), str(row["n"]))
            numbers = (agreement(row["agreement_a"]), agreement(row["agreement_b"]), decimal(row["difference"]))
            ends = (_bounds(row, "difference"), p_value(row["p"]), decimal(row["final_tau"]), _bounds(row, "final_tau"))
            rows.append((named[0], str(row["metric"]), named[1], *numbers, *ends))
    title = f"A: {labels[0]}, B: {labels[1]}: {number_of(m, 'dense network')} in both"
    heads = ("dense network", "metric", "n", "s of A", "s of B", "A - B", "95 %", "p", "tau of finals", "95 %")
    explained = (
        "Pairs of studies of one dense network, over the combinations that both have. A mean's interval is over the "
        "networks, and so is its p (t-test of a mean difference of 0); a pair's is over its combinations or repeats."
    )
    notes = dict.fromkeys([explained, *comparison["note"], setup])
    return Layout("comparison", title, heads, tuple(rows), tuple(note for note in notes if note), left=2)


def _network(row: pd.Series) -> str:
    """A dense network by the seed of its training, else by its hash."""
    seed = row["pretrain_seed"]
    return spell("dense_hash", row["dense_hash"]) if pd.isna(seed) else f"seed {seed}"


def _bounds(row: pd.Series, name: str) -> str:
    low, high = (row[f"{name}_{end}"] for end in ("low", "high"))
    return UNDEFINED if pd.isna(low) or pd.isna(high) else f"[{decimal(low)}, {decimal(high)}]"


def _by_metric(
    name: str, title: str, table: pd.DataFrame, columns: Sequence[dict[str, str]], notes: Iterable[str]
) -> Layout:
    """A column for each row of a table, with statistics by their names; every note once."""
    headings = ("", *(metric_name(row["final"], row["metric"]) for _, row in table.iterrows()))
    rows = tuple((statistic, *(column[statistic] for column in columns)) for statistic in columns[0])
    return Layout(name, title, headings, rows, tuple(note for note in dict.fromkeys(notes) if note))
