"""How many more runs would decide it: the sentence and the table."""

import pandas as pd

from oraclecheck.analysis.networks import LEAST
from oraclecheck.analysis.rounding import UNDEFINED, decimal, percent
from oraclecheck.analysis.words import describe, varying
from oraclecheck.report.typesetting import Layout

_WORDS = {
    "networks": "dense networks ({networks} in all)",
    "combinations": "combinations ({n} of each network)",
    "repeats": "repeats ({k} of each combination)",
}
_PLAIN = {"networks": "more dense networks", "combinations": "more combinations", "repeats": "more repeats"}


def more_runs_layout(more: pd.DataFrame) -> Layout:
    """What further runs would make of the interval over dense networks; rows of `analysis.more_runs.more_runs`."""
    named = more.assign(setting=_names(more))
    rows: list[tuple[str, ...]] = []
    for _, group in named.groupby(["setting", "metric"], sort=False):
        rows += [()] if rows else []
        for _, row in group.iterrows():
            costs = (f"{row['runs']:,}", _hours(row["hours"]), _an_hour(row["an_hour"]))
            told = (decimal(row["now"]), decimal(row["then"]), *costs)
            rows.append((row["setting"] or "all", row["metric"], _WORDS[row["more"]].format(**row), *told))
    heads = ("setting", "metric", "more", "now", "then", "runs", "hours", "narrower an hour")
    notes = (
        "now, then: half the width of the 95 % interval of s over dense networks. hours: of one worker, by the runs so "
        "far; training a dense network comes on top.",
        *more_runs_sentences(named),
    )
    return Layout("more_runs", "What more runs would decide", heads, tuple(rows), notes, left=3)


def more_runs_sentences(named: pd.DataFrame) -> list[str]:
    """One sentence for each setting and metric: what narrows the interval most for an hour."""
    sentences = []
    for (setting, metric), group in named.groupby(["setting", "metric"], sort=False):
        known = group[group["then"].notna()]
        if known.empty:
            continue
        best, others = known.iloc[0], known.iloc[1:]
        where = f"{setting}, " if setting else ""
        rest = "; ".join(_clause(row) for _, row in others.iterrows())
        if best["then"] >= best["now"]:
            said = "nothing of these narrows the interval over dense networks"
            sentences.append(f"{where}test {metric}: {said}: {_clause(best)}{f'; {rest}' if rest else ''}.")
            continue
        first = f"{_PLAIN[best['more']]} narrow the interval over dense networks most per hour: {_clause(best)}"
        sentences.append(f"{where}test {metric}: {first}{f'; {rest}' if rest else ''}.")
    return sentences


def components_layout(components: pd.DataFrame) -> Layout:
    """Where the variances come from; rows of `analysis.more_runs.variance_components`."""
    rows = []
    for name, (_, row) in zip(_names(components), components.iterrows(), strict=True):
        shares = (percent(row[f"share_{part}"]) for part in ("network", "combination", "repeat"))
        rho = f"{decimal(row['rho_k'])} [{decimal(row['rho_k_low'])}, {decimal(row['rho_k_high'])}]"
        spread = (decimal(row[f"s_{part}"]) for part in ("spread", "known", "rest"))
        size = (f"{row['networks']}, {row['n']}, {row['k']}", *shares, decimal(row["rho_anova"]), rho, *spread)
        rows.append((name or "all", row["metric"], *size))
    heads = ("setting", "metric", "m, n, k", "network %", "combination %", "repeat %", "rho by variance", "rho by rank")
    notes = [
        "m dense networks, n combinations, k repeats. network, combination, repeat: shares of the variance of the "
        "final metric. rho: the share that is not noise after averaging k repeats, in one network. Standard deviation "
        "of s over networks: in all, what n and k leave of it, and what only more networks average out."
    ]
    if (components["networks"] < LEAST).any():
        notes.append(f"An interval over dense networks needs {LEAST} of them.")
    columns = (*heads, "s: sd", "of n and k", "rest")
    return Layout("components", "Components of variance", columns, tuple(rows), tuple(notes), left=2)


def _names(table: pd.DataFrame) -> list[str]:
    names = varying(table)
    return [describe(row, names) for _, row in table.iterrows()]


def _clause(row: pd.Series) -> str:
    cost = f"{row['runs']:,} runs" + ("" if pd.isna(row["hours"]) else f", {_hours(row['hours'])} h")
    per = "" if pd.isna(row["an_hour"]) else f", {_an_hour(row['an_hour'])} narrower an hour"
    ends = f"\N{PLUS-MINUS SIGN}{decimal(row['now'])} becomes \N{PLUS-MINUS SIGN}{decimal(row['then'])}"
    return f"{_WORDS[row['more']].format(**row)} for {cost}: {ends}{per}"


def _an_hour(value: float) -> str:
    return UNDEFINED if pd.isna(value) else f"{value:.2g}"


def _hours(value: float) -> str:
    if pd.isna(value):
        return UNDEFINED
    return decimal(value, 1 if value >= 10 else 2 if value >= 0.1 else 3)
