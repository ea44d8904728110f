"""What one row of `tables.correlate` says, in printed cells and words; a mean over networks lacks most of them."""

from collections.abc import Callable
from functools import partial

import pandas as pd

from oraclecheck.analysis.rounding import UNDEFINED, agreement, agreement_interval, decimal, magnitude, p_value, percent

_REGRET = {"accuracy": partial(percent, decimals=2), "loss": partial(decimal, decimals=4)}


def cells(row: pd.Series) -> dict[str, str]:
    """The cells of a study, or of a mean over networks, in a table of several; by their headings."""
    mean = row.get("networks") is not None
    return {
        "metric": str(row["metric"]),
        "n": f"{row['networks']} networks" if mean else str(row["n"]),
        "k": UNDEFINED if mean else str(row["k"]),
        "s": agreement(row["agreement"]),
        "95 %": agreement_interval(row["agreement_low"], row["agreement_high"]),
        "ceiling": decimal(row.get("ceiling")),
        "tau / p": tau_and_p(row),
        "permuted p": p_value(row.get("p_permutation")),
        "anomalies": percent(row.get("anomaly_ratio")),
        "Def. 3.1": definition(row),
        "relation": str(row["relation"]),
        "verdict": verdict(row),
    }


def statistics(row: pd.Series) -> dict[str, str]:
    """Everything that is known of one study and metric, by its name."""
    known = {
        "relation": str(row["relation"]),
        "strong enough": verdict(row),
        "for": str(row["scope"]),
        "agreement s": _ranged(row, "agreement", agreement),
        "noise ceiling of s": _ranged(row, "ceiling", agreement),
        "agreement without the noise": _ranged(row, "noise_free", agreement),
        "Definition 3.1": definition(row),
        "tau / p": tau_and_p(row),
        "p, filters permuted": p_value(row["p_permutation"]),
        "anomaly ratio %": _ranged(row, "anomaly_ratio", percent, ends="anomaly"),
        "regret, at least (% or nats)": _ranged(row, "regret", _REGRET[row["metric"]]),
        "counterexamples % of pairs": percent(row["counterexample_ratio"]),
        "tied pairs %": percent(row["tie_share"]),
    }
    if row["diverged"]:
        known["agreement without diverged"] = agreement(row["agreement_without_diverged"])
    if row["missing"] or row["failed"] or row["unfinished"]:
        bounds = (row[f"agreement_missing_{end}"] for end in ("low", "high"))
        known["agreement if all were known"] = agreement_interval(*bounds)
    return known


def compared(row: pd.Series) -> dict[str, str]:
    """What a row of `comparison.compare` says, by its name."""
    return {
        "agreement of A": agreement(row["agreement_a"]),
        "agreement of B": agreement(row["agreement_b"]),
        "difference A - B": _ranged(row, "difference", decimal),
        "tau of the two final metrics": _ranged(row, "final_tau", decimal),
        "Spearman of the two": _ranged(row, "final_spearman", decimal),
    }


def regret(row: pd.Series) -> str:
    """What the criterion's choice costs at least, in percent or nats."""
    return _REGRET[row["metric"]](row.get("regret"))


def _ranged(row: pd.Series, name: str, form: Callable[[float], str], *, ends: str = "") -> str:
    """A number and its interval (of the columns that begin with `ends`, else `name`), such as "0.61 [0.50, 0.71]"."""
    low, high = (row[f"{ends or name}_{end}"] for end in ("low", "high"))
    return form(row[name]) if pd.isna(low) or pd.isna(high) else f"{form(row[name])} [{form(low)}, {form(high)}]"


def tau_and_p(row: pd.Series) -> str:
    """Tau / p as Table 2 of paper 1 prints them; one dash where there is none."""
    return UNDEFINED if pd.isna(row.get("tau")) else f"{decimal(row['tau'])} / {p_value(row['p'])}"


def definition(row: pd.Series) -> str:
    """Definition 3.1 in a word; a dash where tau is not defined."""
    valid = row.get("valid")
    return UNDEFINED if pd.isna(valid) else "valid" if valid else "invalid"


def verdict(row: pd.Series) -> str:
    """The verdict; an undecided one with the word that says why."""
    if row["verdict"] != "undecided":
        return str(row["verdict"])
    why, colon, _ = str(row["reason"]).partition(":")
    return f"undecided ({why})" if colon else "undecided"


def count(row: pd.Series) -> str:
    """How many combinations and repeats the numbers rest on."""
    of = "" if pd.isna(row["space_size"]) else f" of {magnitude(int(row['space_size']))}"
    kind = "the first of them" if row["space"] == "part" else row["space"]
    space = "" if row["space"] == "unknown" else f" ({kind})"
    diverged = [f"{number_of(row['diverged'], 'run')} diverged"] if row["diverged"] else []
    return ", ".join([f"{row['n']:,}{of} combinations{space}", number_of(row["k"], "repeat"), *diverged])


def lacks(row: pd.Series) -> str:
    """What the numbers of a study lack, one sentence; empty if nothing."""
    if row["error"]:
        return str(row["error"])
    parts = [f"{magnitude(int(row[name]))} {name}" for name in ("missing", "failed", "unfinished") if row[name]]
    if not parts:
        return ""
    text = f"of {magnitude(int(row['runs'] + row['missing']))} runs {', '.join(parts)}: the numbers do not include them"
    if not row["left_out"]:
        return text
    whole = row["left_out_combinations"]
    among = f" (all of {number_of(whole, 'combination')})" if whole else ""
    counting = f"so that all {row['n']:,} combinations count with {number_of(row['k'], 'repeat')}"
    return f"{text}, nor {number_of(row['left_out'], 'run')}{among} left out {counting}"


def number_of(number: int, word: str) -> str:
    """Such as "1 repeat" or "2 repeats"."""
    return f"{number} {word}{'' if number == 1 else 's'}"
