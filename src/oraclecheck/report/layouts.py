"""What the tables of a report say: one study by itself, several in rows, the combinations of one, two compared.

Every function takes rows of `tables.correlate` (or of its siblings) and returns a `Layout` of printed cells. What is
valid was decided before, on unrounded values.
"""

from collections.abc import Iterable, Sequence

import pandas as pd

from oraclecheck.analysis.metrics import FINALS, UNIT, metric_name
from oraclecheck.analysis.rounding import (
    UNDEFINED,
    agreement,
    agreement_interval,
    decimal,
    magnitude,
    outcome,
    p_value,
    percent,
    percent_interval,
)
from oraclecheck.analysis.words import heading, shared, short_names, spell, varying
from oraclecheck.report.typesetting import Layout

_DECIMALS = {"accuracy": 2, "loss": 4}


COLUMNS = ("metric", "n", "k", "s", "95 %", "ceiling", "tau / p", "permuted p", "anomalies", "Def. 3.1", "verdict")
FEWER = ("metric", "s", "95 %", "ceiling", "tau / p", "verdict")
FEWEST = ("metric", "s", "95 %", "verdict")
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
    """One study with everything that is known of it: a row a statistic, a column a metric.

    Args:
        table: The rows of one study from `tables.correlate`.
    """
    first = table.iloc[0]
    columns = [_statistics(row) for _, row in table.iterrows()]
    rows = tuple((name, *(column[name] for column in columns)) for name in columns[0])
    headings = ("", *(metric_name(row["final"], row["metric"]) for _, row in table.iterrows()))
    title = f"{first['study']}: {count(first)}"
    reasons = [f"{row['metric']}: {row['verdict']}: {row['reason']}" for _, row in table.iterrows() if row["reason"]]
    return Layout("study", title, headings, rows, tuple(_once([*reasons, *table["note"], gaps(first)])))


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
    names = list(by) or varying(table)

    def line(row: pd.Series, study: str, seed: str | None = None) -> tuple[str, ...]:
        label = [seed if seed and name == "pretrain_seed" else spell(name, row.get(name)) for name in names]
        cells = _cells(row)
        return (*label, *(() if by else (study,)), *(cells[name] for name in columns))

    rows = [line(row, study) for (_, row), study in zip(table.iterrows(), short_names(table["study"]), strict=True)]
    if len(networks):
        rows += [(), *(line(row, "mean", "mean") for _, row in networks.iterrows())]
    heads = (*(heading(name) for name in names), *(() if by else ("study",)))
    same = [
        f"{heading(name)} {spell(name, table[name].iloc[0])}" for name in shared(table) if name not in ("order", *by)
    ]
    setting = f": {', '.join(same)}" if same else ""
    title = f"Agreement of the criterion with the metric after retraining{setting}"
    studies = [row for _, row in table.drop_duplicates("study").iterrows()]
    incomplete = [f"{row['study']}: {text}" for row in studies if (text := gaps(row))]
    explained = "; ".join(_EXPLAINED[name] for name in columns if name in _EXPLAINED).replace("; with", ", with")
    notes = [f"{explained}.", *incomplete]
    return Layout("studies", title, (*heads, *columns), tuple(rows), tuple(notes), left=len(heads) + 1)


def settings_layout(groups: Sequence[pd.DataFrame]) -> Layout:
    """Settings that look alike in every table, with what tells them apart; a rule between groups.

    Args:
        groups: From `networks.unlike_settings`, at least one.
    """
    rows: list[tuple[str, ...]] = []
    for group in groups:
        rows += [()] if rows else []
        for _, setting in group.iterrows():
            studies = ", ".join(map(str, setting["studies"]))
            rows.append((spell("setting_hash", setting["setting_hash"]), studies, setting["differs"]))
    title = "Studies that look alike and differ in more than their dense network: no mean joins them"
    return Layout("settings", title, ("setting", "studies", "what differs"), tuple(rows), left=3)


def combinations_layout(combos: pd.DataFrame, *, final: str = "last", metrics: Iterable[str]) -> Layout:
    """Every combination of a study by its number, as Table A5 of paper 1 prints them.

    Args:
        combos: One study's rows of `tables.combinations_table`; accuracies are fractions and printed in percent.
        final: "last" or "best".
        metrics: "accuracy", "loss", or both.
    """
    metrics = list(metrics)
    known = combos["removed"].map(bool).any()  # files of points do not say which filters were removed
    rows = []
    for _, combo in combos.iterrows():
        picked = not pd.isna(combo["picked_by"])
        name = (f"pick of {combo['picked_by']}" if picked else str(combo["combo"]),)
        finals = (outcome(UNIT[metric] * combo[f"{FINALS[final]}_test_{metric}"], 4) for metric in metrics)
        label = (*name, removed(combo["removed"])) if known else name
        rows.append((*label, outcome(combo["score"], 4), *finals, str(combo["k"])))
    units = {"accuracy": " (%)", "loss": ""}
    names = (f"{metric_name(final, metric)}{units[metric]}" for metric in metrics)
    label = ("combination", "removed") if known else ("combination",)
    title = f"Combinations of {combos['study'].iloc[0]}"
    headings = (*label, "pruned train loss", *names, "repeats")
    return Layout("combinations", title, headings, tuple(rows), left=len(label))


def comparison_layout(comparison: pd.DataFrame) -> Layout:
    """Two studies over the same combinations, a column a metric.

    Args:
        comparison: Rows of `comparison.compare`.
    """
    first = comparison.iloc[0]
    columns = []
    for _, row in comparison.iterrows():
        columns.append(
            {
                "agreement of A": agreement(row["agreement_a"]),
                "agreement of B": agreement(row["agreement_b"]),
                "difference A - B": _difference(row, "difference"),
                "tau of the two final metrics": _difference(row, "final_tau"),
                "Spearman of the two": _difference(row, "final_spearman"),
            }
        )
    rows = tuple((name, *(column[name] for column in columns)) for name in columns[0])
    headings = ("", *(metric_name(row["final"], row["metric"]) for _, row in comparison.iterrows()))
    title = f"A: {first['study_a']}, B: {first['study_b']}: {first['n']} combinations in both"
    alone = f"left out: {first['only_a']} combinations only in A, {first['only_b']} only in B"
    notes = [alone] if first["only_a"] or first["only_b"] else []
    return Layout("comparison", title, headings, rows, tuple(_once([*notes, *comparison["note"]])))


def count(row: pd.Series) -> str:
    """How many combinations and repeats a row of `tables.correlate` rests on."""
    of = "" if pd.isna(row["space_size"]) else f" of {magnitude(int(row['space_size']))}"
    space = "" if row["space"] == "unknown" else f" ({row['space']})"
    diverged = [f"{_number_of(row['diverged'], 'run')} diverged"] if row["diverged"] else []
    return ", ".join([f"{row['n']:,}{of} combinations{space}", _number_of(row["k"], "repeat"), *diverged])


def gaps(row: pd.Series) -> str:
    """What the numbers of a study lack, one sentence; empty if nothing."""
    if row["error"]:
        return str(row["error"])
    parts = [f"{magnitude(int(row[name]))} {name}" for name in ("missing", "failed", "unfinished") if row[name]]
    if not parts:
        return ""
    text = f"of {magnitude(int(row['runs'] + row['missing']))} runs {', '.join(parts)}: the numbers do not include them"
    return f"{text}, nor {_left_out(row)}" if row["left_out"] else text


def _left_out(row: pd.Series) -> str:
    """The outcomes that do not count; see `balance`."""
    whole = row["left_out_combinations"]
    among = f" (all of {_number_of(whole, 'combination')})" if whole else ""
    counting = f"so that all {row['n']:,} combinations count with {_number_of(row['k'], 'repeat')}"
    return f"{_number_of(row['left_out'], 'run')}{among} left out {counting}"


def removed(filters: dict[str, list[int]]) -> str:
    """Removed filters for a reader: "conv1 0, 3" or "conv1 0; conv2 1, 5"."""
    if not isinstance(filters, dict):
        return UNDEFINED
    return "; ".join(f"{layer} {', '.join(map(str, indices))}" for layer, indices in filters.items())


def _cells(row: pd.Series) -> dict[str, str]:
    """Cells of a study, or of a mean over networks, which lacks most columns."""
    networks = row.get("networks")
    return {
        "metric": str(row["metric"]),
        "n": f"{networks} networks" if networks is not None else _whole(row["n"]),
        "k": _whole(row.get("k")),
        "s": agreement(row["agreement"]),
        "95 %": agreement_interval(row["agreement_low"], row["agreement_high"]),
        "ceiling": decimal(row.get("ceiling")),
        "tau / p": tau_and_p(row),
        "permuted p": p_value(row.get("p_permutation")),
        "anomalies": percent(row.get("anomaly_ratio")),
        "Def. 3.1": definition(row.get("valid")),
        "verdict": verdict(row),
    }


def tau_and_p(row: pd.Series) -> str:
    """Tau / p as Table 2 of paper 1 prints them; one dash where there is none."""
    return UNDEFINED if pd.isna(row.get("tau")) else f"{decimal(row['tau'])} / {p_value(row['p'])}"


def definition(valid: object) -> str:
    """Definition 3.1 in a word; a dash where tau is not defined."""
    return UNDEFINED if valid is None or pd.isna(valid) else ("valid" if valid else "invalid")  # type: ignore[call-overload]


def _number_of(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _whole(number: object) -> str:
    return UNDEFINED if number is None or pd.isna(number) else str(number)  # type: ignore[call-overload]


def verdict(row: pd.Series) -> str:
    """The verdict; an undecided one with the word that says why."""
    if row["verdict"] != "undecided":
        return str(row["verdict"])
    why = next((word for word in ("sample", "noise", "no repeats", "error") if str(row["reason"]).startswith(word)), "")
    return f"undecided ({why})" if why else "undecided"


def _statistics(row: pd.Series) -> dict[str, str]:
    unit, decimals = UNIT[row["metric"]], _DECIMALS[row["metric"]]
    cells = {
        "agreement s": _with_interval(row, "agreement"),
        "noise ceiling of s": _with_interval(row, "ceiling"),
        "agreement without the noise": _with_interval(row, "noise_free"),
        "verdict": verdict(row),
        "Definition 3.1": definition(row["valid"]),
        "tau / p": tau_and_p(row),
        "p, filters permuted": p_value(row["p_permutation"]),
        "anomaly ratio %": _join(
            percent(row["anomaly_ratio"]), percent_interval(row["anomaly_low"], row["anomaly_high"])
        ),
        "regret (% or nats)": _join(
            decimal(unit * row["regret"], decimals),
            _plain_interval(unit * row["regret_low"], unit * row["regret_high"], decimals),
        ),
        "counterexamples % of pairs": percent(row["counterexample_ratio"]),
        "tied pairs %": percent(row["tie_share"]),
    }
    if row["diverged"]:
        cells["agreement without diverged"] = agreement(row["agreement_without_diverged"])
    if row["missing"] or row["failed"] or row["unfinished"]:
        cells["agreement if all were known"] = agreement_interval(
            row["agreement_missing_low"], row["agreement_missing_high"]
        )
    return cells


def _with_interval(row: pd.Series, name: str) -> str:
    return _join(agreement(row[name]), agreement_interval(row[f"{name}_low"], row[f"{name}_high"]))


def _difference(row: pd.Series, name: str) -> str:
    return _join(decimal(row[name]), _plain_interval(row[f"{name}_low"], row[f"{name}_high"]))


def _join(value: str, interval: str) -> str:
    return value if interval == UNDEFINED else f"{value} {interval}"


def _plain_interval(low: float, high: float, decimals: int = 2) -> str:
    return UNDEFINED if pd.isna(low) or pd.isna(high) else f"[{decimal(low, decimals)}, {decimal(high, decimals)}]"


def _once(sentences: Iterable[str]) -> list[str]:
    return [str(sentence) for sentence in dict.fromkeys(sentences) if sentence and not pd.isna(sentence)]
