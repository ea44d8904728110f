"""The verdict of each study and metric in a sentence that can be quoted, and what the study is called."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from oraclecheck.analysis.criterion import ORACLE, Criterion
from oraclecheck.analysis.rounding import agreement, magnitude, p_value
from oraclecheck.analysis.words import describe, short_layers, short_names, varying
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
_IN_TITLE = ("model", "data", "layers", "pruning_ratio")


def sentence(row: Mapping[str, Any], criterion: Criterion = ORACLE) -> str:
    """The verdict of a row of `tables.correlate` or `networks.across_networks` with every number it rests on."""
    outcome = f"test {row['metric']} {FINALS[row['final']]}"
    claim = _RELATIONS[row["relation"]].format(score=criterion.score, outcome=outcome) + _CLAIMS[row["verdict"]]
    if "networks" in row:
        claim = f"Over dense networks, {claim[0].lower()}{claim[1:]}"
        numbers = [_agreement(row), f"{int(row['networks'])} dense networks"]
    else:
        claim = f"{claim} (one trained network)"
        counts = [f"{int(row['n']):,} combinations", number_of(int(row["k"]), "repeat")]
        numbers = [_agreement(row), _ceiling(row), *_p(row), *counts]
    reason = row["reason"].strip().rstrip(".")
    return f"{claim}: {', '.join(numbers)}. {reason[:1].upper()}{reason[1:]}."


def title(row: Mapping[str, Any]) -> str:
    """What people call the study; its folder's name if nothing more is known."""
    if pd.isna(row["model"]) or pd.isna(row["data"]):
        return str(row["study"])
    layers, ratio = short_layers(str(row["layers"] or "")), str(row["pruning_ratio"] or "")
    what = ratio if " " in ratio else f"{layers} at {ratio}"
    return f"{row['model']} on {row['data']}, {what}" if layers else f"{row['model']} on {row['data']}"


def distinct_titles(table: pd.DataFrame) -> dict[str, str]:
    """Study -> title with what tells it from the others; the end of its name if the columns do not tell them apart."""
    names = [name for name in varying(table) if name not in _IN_TITLE]
    firsts = table.drop_duplicates("study")
    titles = [", ".join([title(dict(row)), *([describe(row, names)] if names else [])]) for _, row in firsts.iterrows()]
    return {
        study: text if titles.count(text) == 1 or text == study else f"{text}, {short}"
        for study, text, short in zip(firsts["study"], titles, short_names(firsts["study"]), strict=True)
    }


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


def _agreement(row: Mapping[str, Any]) -> str:
    if pd.isna(row["agreement"]):
        return "the agreement s is not defined"
    s, low, high = (agreement(row[f"agreement{end}"]).replace("-", "−") for end in ("", "_low", "_high"))
    text = f"{'mean ' if 'networks' in row else ''}agreement s = {s}"
    if pd.isna(row["agreement_low"]) or pd.isna(row["agreement_high"]):
        return f"{text} (no interval)"
    return f"{text} (95 % interval over {'networks' if 'networks' in row else row['interval']} {low} to {high})"


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
