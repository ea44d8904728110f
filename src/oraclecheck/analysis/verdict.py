"""What a study says of a criterion, in three answers beside Definition 3.1 of paper 1.

1. `relation`: is there one, and which way? It *agrees* or *opposes* if p, adjusted over the settings of the table, is
   below 0.05; else *none shown*.
2. `verdict`: is it strong enough to choose by? *valid*, *invalid*, *inverse*, or *undecided* and what is lacking.
3. `scope`: for what? One trained network, or several dense networks of a setting (see `networks`).

The first two must hold wherever the combinations without an outcome may lie.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from oraclecheck.analysis.rounding import magnitude
from oraclecheck.analysis.statistics.correlation import VALID_AGREEMENT, VALID_P
from oraclecheck.analysis.statistics.multiplicity import holm_of_one

FAMILY = ("criterion", "final", "metric", "wiring")
"""Rows of one table that are equal in these are judged together. Its members are settings: networks are replicates."""

ONE_NETWORK = "one network"


def judged(table: pd.DataFrame) -> pd.DataFrame:
    """Add `p_used`, `p_holm`, `p_family`, `relation`, `verdict`, `reason` and `scope` to rows of `summarise`.

    The family of a row is the settings of this table that are equal to it in `FAMILY`; `p_family` says how many of them
    have a p. Another setting of several networks counts by its largest p. What is adjusted is `used_p`.

    Args:
        table: Rows with the columns of `FAMILY`, `setting_hash`, `study`, `error` and those of `summarise`.
    """
    table = table.copy()
    p = used_p(table)
    table["p_used"] = np.where(table["p_permutation"].notna(), "permutation", "scipy")
    settings = table["setting_hash"].fillna(table["study"])
    table["p_holm"], table["p_family"] = np.nan, 0
    for _, rows in table.groupby([table[name].map(str) for name in FAMILY], sort=False):
        largest = p[rows.index].groupby(settings[rows.index]).max().dropna()
        table.loc[rows.index, "p_family"] = len(largest)
        for row in rows.index:
            table.loc[row, "p_holm"] = holm_of_one(p[row], largest.drop(settings[row], errors="ignore"))
    records: list[Any] = table.to_dict("records")
    table["relation"] = [relation(row) for row in records]
    answers = [verdict({**row, "relation": relation(row)}) for row in records]
    table["verdict"], table["reason"] = zip(*answers, strict=True)
    return table.assign(scope=ONE_NETWORK)


def tally(table: pd.DataFrame, networks: pd.DataFrame) -> dict[str, str]:
    """Metric -> how the three answers are spread over the settings of a table; empty for a single setting.

    Args:
        table: Rows of `tables.correlate`.
        networks: Their rows of `networks.across_networks`, which stand for the studies that they join.
    """
    told = {}
    for metric, rows in table.groupby("metric", sort=False):
        means = networks[networks["metric"] == metric] if len(networks) else networks
        joined = {study for studies in means["studies"] for study in studies} if len(means) else set()
        answers = [*rows[~rows["study"].isin(joined)].to_dict("records"), *means.to_dict("records")]
        if len(answers) > 1:
            relations = [row["relation"] for row in answers]
            words = [f"{relations.count('agrees')} of {len(answers)} settings agree"]
            words += [f"{n} {'opposes' if n == 1 else 'oppose'}"] if (n := relations.count("opposes")) else []
            verdicts = pd.Series([row["verdict"] for row in answers]).value_counts()
            words.append("strong enough to choose by: " + ", ".join(f"{n} {word}" for word, n in verdicts.items()))
            several = sum(row["scope"] != ONE_NETWORK for row in answers)
            words.append(f"{several} of them of several networks" if several else "of one network each")
            told[str(metric)] = "; ".join([", ".join(words[:-2]), *words[-2:]])
    return told


def used_p(table: pd.DataFrame) -> pd.Series:
    """The p that a row is judged by: the filter-permutation p where there is one, else scipy's."""
    return table["p_permutation"].fillna(table["p"])


def relation(row: Mapping[str, Any]) -> str:
    """Whether there is a relation, and which way: "agrees", "opposes" or "none shown".

    Args:
        row: With `p_holm`, `agreement`, `agreement_missing_low` and `agreement_missing_high`.
    """
    if not row["p_holm"] < VALID_P:
        return "none shown"
    if row["agreement_missing_low"] > 0:
        return "agrees"
    return "opposes" if row["agreement_missing_high"] < 0 else "none shown"


ALIKE = "masks of one method are alike, which neither p nor intervals know"
"""Noted of studies that remove single weights."""


def verdict(row: Mapping[str, Any]) -> tuple[str, str]:
    """Whether the agreement is strong enough to choose by, and the reason.

    *valid* if the criterion agrees and the whole interval of s lies above 0.2; *invalid* if there are repeats that
    agree with each other and the whole interval of the noise-free agreement lies at or below 0.2, *inverse* if it
    opposes and all of that lies below 0; otherwise *undecided*, with what is lacking. A space that is not known, or the
    first part of a larger one, decides nothing.

    Args:
        row: The statistics of one metric of a study, with `relation`, `p_holm`, `space`, `n`, `k` and `error`.
    """
    s_low, free_high = row["agreement_low"], row["noise_free_high"]
    if row["error"]:
        return "undecided", f"error: {row['error']}"
    if np.isnan(row["agreement"]):
        return "undecided", "sample: tau is not defined" if row["n"] > 1 else f"sample: {row['note']}"
    if row["space"] == "unknown":
        return "undecided", "sample: how the combinations were chosen is not known"
    if row["space"] == "part":
        of = "an unknown number" if pd.isna(row["space_size"]) else magnitude(int(row["space_size"]))
        return "undecided", f"incomplete: the first {row['n']:,} of {of} combinations are no random sample of them"
    if s_low > VALID_AGREEMENT and row["relation"] == "agrees":
        if not row["agreement_missing_low"] > VALID_AGREEMENT:
            return "undecided", f"incomplete: with the missing combinations s may lie at or below {VALID_AGREEMENT}"
        though = "those of one method are alike" if ALIKE in (row.get("note") or "") else "they share filters"
        by_scipy = f"; it takes for granted that the combinations are independent, though {though}"
        reason = f"all of the interval of s lies above {VALID_AGREEMENT} and p < {VALID_P}"
        return "valid", reason + (by_scipy if np.isnan(row["p_permutation"]) else "")
    if row["rho_k_low"] > 0 and free_high <= VALID_AGREEMENT:
        if row["agreement_missing_high"] > VALID_AGREEMENT:
            return "undecided", f"incomplete: with the missing combinations s may lie above {VALID_AGREEMENT}"
        if row["relation"] == "opposes" and free_high < 0:
            return "inverse", "even freed of retraining noise, all of the interval lies below 0 and p < 0.05"
        return "invalid", f"even freed of retraining noise, all of the interval lies at or below {VALID_AGREEMENT}"
    return "undecided", _lacking(row)


def _lacking(row: Mapping[str, Any]) -> str:
    """What would decide: a larger sample, less noise, or repeats."""
    census, repeated, s_low = row["space"] == "enumerated", row["ceiling_n"] > 1, row["agreement_low"]
    low = row["agreement_high"] <= VALID_AGREEMENT
    if s_low > VALID_AGREEMENT:
        why = "unrelated filter effects could show it"
        if used_p(pd.DataFrame([row]))[0] < VALID_P <= row["p_holm"]:
            why = f"p < {VALID_P} by itself, but not adjusted (Holm) for the {row['p_family']} settings judged together"
        return f"sample: s lies above {VALID_AGREEMENT}, but {why}"
    if not repeated and (census or low):
        return "no repeats: how much of s retraining noise hides or makes is not known"
    if not repeated and np.isnan(s_low):
        return "sample: there are too few combinations for an interval"
    if not repeated:
        return f"sample: the interval of s holds {VALID_AGREEMENT}"
    if np.isnan(row["rho_k_low"]):
        return "noise: how well the repeats agree is not defined"
    if not row["rho_k_low"] > 0:
        return "noise: the repeats do not agree with each other"
    if census or low:
        return f"noise: retraining noise leaves both sides of {VALID_AGREEMENT} open"
    return f"sample: the interval of s holds {VALID_AGREEMENT}"
