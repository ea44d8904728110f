"""The verdict of each study and metric in a sentence that can be quoted, and what the study is called."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from oraclecheck.analysis.criterion import ORACLE, Criterion
from oraclecheck.analysis.rounding import agreement, magnitude, p_value
from oraclecheck.analysis.words import describe, shared, short_layers, short_names, varying
from oraclecheck.report.cells import number_of

FINALS = {"last": "after the last epoch", "best": "at the best epoch"}

_RELATIONS = {
    "agrees": "The {score} agrees with the {outcome}",
    "opposes": "The {score} opposes the {outcome}",
    "none shown": "No relation of the {score} to the {outcome} is shown",
}
_CLAIMS = {
    "valid": ", strongly enough to choose by",
    "invalid": ", and it is not valid to choose by",
    "inverse": ": choosing by it is worse than chance",
    "undecided": "; whether it is valid to choose by is undecided",
}


def sentence(row: Mapping[str, Any], criterion: Criterion = ORACLE) -> str:
    """The verdict of a row of `tables.correlate` or `networks.across_networks` with every number it rests on."""
    outcome = f"test {row['metric']} {FINALS[row['final']]}"
    claim = _RELATIONS[row["relation"]].format(score=criterion.score, outcome=outcome) + _CLAIMS[row["verdict"]]
    if "networks" in row:
        claim = f"Over dense networks, {claim[0].lower()}{claim[1:]}"
        numbers = [_agreement(row), f"{int(row['networks'])} dense networks", *_beside_mean(row)]
    else:
        claim = f"{claim} (one trained network)"
        counts = [f"{int(row['n']):,} combinations", number_of(int(row["k"]), "repeat")]
        numbers = [_agreement(row), _ceiling(row), *_p(row), *counts]
    reason = row["reason"].strip().rstrip(".")
    return f"{claim}: {', '.join(numbers)}. {reason[:1].upper()}{reason[1:]}."


def title(row: Mapping[str, Any]) -> str:
    """What people call the study; its folder's name if nothing more is known."""
    if _unknown(row):
        return str(row["study"])
    layers, ratio = short_layers(str(row["layers"] or "")), str(row["pruning_ratio"] or "")
    what = ratio if " " in ratio else f"{layers} at {ratio}"
    return f"{row['model']} on {row['data']}, {what}" if layers else f"{row['model']} on {row['data']}"


def distinct_titles(table: pd.DataFrame) -> dict[str, str]:
    """Study -> what it is called among those of a table: what differs; of a single one, its network, data and layers.

    A study of which nothing more is known is called by its name; the end of the name is added where the columns do not
    tell studies apart.
    """
    firsts = table.drop_duplicates("study")
    names = varying(firsts)
    rows = [(row, dict(row)) for _, row in firsts.iterrows()]
    titles = [title(known) if not names or _unknown(known) else describe(row, names) for row, known in rows]
    return {
        study: text if titles.count(text) == 1 or text == study else f"{text}, {short}"
        for study, text, short in zip(firsts["study"], titles, short_names(firsts["study"]), strict=True)
    }


def in_common(table: pd.DataFrame) -> str:
    """What all studies of a table share, in words; what a lone study is called leaves nothing to add."""
    names = [name for name in shared(table) if name != "order"]
    return describe(table.iloc[0], names) if table["study"].nunique() > 1 else ""


def statistics_line(row: Mapping[str, Any]) -> str:
    """The numbers of a row of `tables.correlate` that a figure carries in its title."""
    s, low, high = (agreement(row[f"agreement{end}"]).replace("-", "\N{MINUS SIGN}") for end in ("", "_low", "_high"))
    if pd.isna(row["agreement"]):
        return f"s is not defined, n = {int(row['n']):,}"
    ends = "" if pd.isna(row["agreement_low"]) or pd.isna(row["agreement_high"]) else f" [{low}, {high}]"
    return ", ".join([f"s = {s}{ends}", _ceiling(row), *_p(row), f"n = {int(row['n']):,}, k = {int(row['k'])}"])


def particulars(row: Mapping[str, Any]) -> list[str]:
    """What tells the study from its siblings."""
    found = []
    if row["wiring"] == "released_code":
        found.append("wired as the released code")
    if pd.notna(row.get("pretrain_seed")):
        found.append(f"dense network trained with seed {int(row['pretrain_seed'])}")
    if pd.notna(row["retrain_fraction"]) and row["retrain_fraction"] != 1:
        found.append(f"{100 * row['retrain_fraction']:g} % of the retraining epochs")
    if pd.notna(row["space_size"]) and row.get("space") in ("enumerated", "part", "sampled"):
        size = magnitude(int(row["space_size"]))
        if row["space"] == "sampled":
            found.append(f"sampled from {size}")
        else:
            whole = row["n"] == row["space_size"]
            found.append(f"all {size} combinations" if whole else f"{row['n']:,} of {size} combinations in order")
    return found


def _unknown(row: Mapping[str, Any]) -> bool:
    return bool(pd.isna(row["model"]) or pd.isna(row["data"]))


def _agreement(row: Mapping[str, Any]) -> str:
    if pd.isna(row["agreement"]):
        return "the agreement s is not defined"
    s, low, high = (agreement(row[f"agreement{end}"]).replace("-", "−") for end in ("", "_low", "_high"))
    text = f"{'mean ' if 'networks' in row else ''}agreement s = {s}"
    if pd.isna(row["agreement_low"]) or pd.isna(row["agreement_high"]):
        return f"{text} (no interval)"
    return f"{text} (95 % interval over {'networks' if 'networks' in row else row['interval']} {low} to {high})"


def _beside_mean(row: Mapping[str, Any]) -> list[str]:
    """What stands beside a mean over networks, because one bad network among few misleads its interval."""
    freed = [row.get(f"noise_free{end}") for end in ("", "_low", "_high")]
    without_noise = []
    if not any(pd.isna(value) for value in freed):
        s, low, high = (agreement(value).replace("-", "\N{MINUS SIGN}") for value in freed)
        without_noise = [f"freed of noise {s} ({low} to {high})"]
    if pd.isna(row.get("agreement_median")) or pd.isna(row["leave_out_low"]):
        return without_noise
    names = ("agreement_median", "leave_out_low", "leave_out_high")
    median, low, high = (agreement(row[name]).replace("-", "\N{MINUS SIGN}") for name in names)
    p = p_value(row["p_sign"], "unicode")
    return [f"median {median}", f"without any one of them {low} to {high}", f"sign test p = {p}", *without_noise]


def _ceiling(row: Mapping[str, Any]) -> str:
    if pd.isna(row["ceiling"]):
        return "noise ceiling unknown"
    collapsed = int(row["collapsed"])
    are = f"{collapsed:,} combination{' has' if collapsed == 1 else 's have'} collapsed"
    return f"noise ceiling {agreement(row['ceiling'])}{f' (maybe too high: {are})' if collapsed else ''}"


def _p(row: Mapping[str, Any]) -> list[str]:
    for name, words in (("p_permutation", "filter-permutation p"), ("p", "p")):
        if pd.notna(row[name]):
            value = p_value(row[name], "unicode")
            return [f"{words} {value if value.startswith('<') else f'= {value}'}"]
    return []
