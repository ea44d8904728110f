"""The verdict of each study and metric in a sentence that can be quoted, and the strip that draws it."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from oraclecheck.analysis.criterion import ORACLE, Criterion
from oraclecheck.analysis.rounding import agreement, magnitude, p_value
from oraclecheck.analysis.words import heading, short_layers, short_names, spell, varying
from oraclecheck.report.cells import number_of
from oraclecheck.report.page.columns import known

FINALS = {"last": "after the last epoch", "best": "at the best epoch"}

_CLAIMS = {
    "valid": "The {score} is a valid criterion for the {outcome}",
    "invalid": "The {score} is not a valid criterion for the {outcome}",
    "undecided": "It is undecided whether the {score} is a valid criterion for the {outcome}",
}
_IN_TITLE = ("model", "data", "layers", "pruning_ratio")
_UNJUDGED = "The {score} and the {outcome}"


def sentence(row: Mapping[str, Any], criterion: Criterion = ORACLE) -> str:
    """The verdict with every number it rests on.

    Args:
        row: A row of `tables.correlate` or `networks.across_networks`; higher agreement is better.
        criterion: What it is about.
    """
    outcome = f"test {row['metric']} {FINALS.get(row.get('final', ''), 'after retraining')}"
    claim = _CLAIMS.get(row.get("verdict") or "", _UNJUDGED).format(score=criterion.score, outcome=outcome)
    if "networks" in row:
        claim = f"Over dense networks, {claim[0].lower()}{claim[1:]}"
        numbers = [_agreement(row), f"{int(row['networks'])} dense networks"]
    else:
        counts = [f"{int(row['n']):,} combinations", number_of(int(row["k"]), "repeat")]
        numbers = [_agreement(row), _ceiling(row), *_p(row), *counts]
    reason = str(row.get("reason") or "").strip().rstrip(".")
    return f"{claim}: {', '.join(numbers)}.{f' {reason[:1].upper()}{reason[1:]}.' if reason else ''}"


def strip(row: Mapping[str, Any]) -> dict[str, float | None]:
    """Agreement, its interval and the noise ceiling, None where not defined: what the strip draws."""
    names = {"s": "agreement", "low": "agreement_low", "high": "agreement_high", "ceiling": "ceiling"}
    return {short: float(row[name]) if known(row, name) else None for short, name in names.items()}


def tallies(table: pd.DataFrame) -> list[dict[str, Any]]:
    """How many studies have which verdict, for each final and metric; none for a single study.

    Args:
        table: Rows of `tables.correlate`.
    """
    if "verdict" not in table.columns or table["study"].nunique() < 2:
        return []
    found = []
    for (final, metric), rows in table.groupby(["final", "metric"], sort=False):
        counts = rows["verdict"].value_counts()
        words = ", ".join(f"{counts.get(verdict, 0)} {verdict}" for verdict in _CLAIMS)
        found.append({"final": final, "metric": metric, "studies": len(rows), "words": words})
    return found


def title(row: Mapping[str, Any]) -> str:
    """What people call the study; its folder's name if nothing more is known."""
    if not (known(row, "model") and known(row, "data")):
        return str(row["study"])
    layers, ratio = short_layers(str(row.get("layers") or "")), str(row.get("pruning_ratio") or "")
    what = ratio if " " in ratio else f"{layers} at {ratio}"
    return f"{row['model']} on {row['data']}, {what}" if layers else f"{row['model']} on {row['data']}"


def distinct_titles(table: pd.DataFrame) -> dict[str, str]:
    """Study -> title with what tells it from the others; the end of its name if the columns do not tell them apart.

    Args:
        table: Rows of `tables.correlate`.
    """
    names = [name for name in varying(table) if name not in _IN_TITLE]
    firsts = table.drop_duplicates("study")
    titles = {}
    for (_, row), short in zip(firsts.iterrows(), short_names(firsts["study"]), strict=True):
        tails = [f"{heading(name)} {spell(name, row[name])}" for name in names]
        titles[str(row["study"])] = (", ".join([title(dict(row)), *tails]), short)
    texts = [text for text, _ in titles.values()]
    return {
        study: text if texts.count(text) == 1 or text == study else f"{text}, {short}"
        for study, (text, short) in titles.items()
    }


def particulars(row: Mapping[str, Any]) -> list[str]:
    """What tells the study from its siblings."""
    found = []
    if row.get("wiring") == "released_code":
        found.append("wired as the released code")
    if known(row, "pretrain_seed"):
        found.append(f"dense network trained with seed {int(row['pretrain_seed'])}")
    if known(row, "retrain_fraction") and row["retrain_fraction"] != 1:
        found.append(f"{100 * row['retrain_fraction']:g} % of the retraining epochs")
    if known(row, "space") and known(row, "space_size"):
        size = magnitude(int(row["space_size"]))
        whole = row.get("n", row["space_size"]) == row["space_size"]
        enumerated = f"all {size} combinations" if whole else f"{row['n']:,} of {size} combinations in order"
        found.append({"enumerated": enumerated, "sampled": f"sampled from {size}"}.get(row["space"], ""))
    return [text for text in found if text]


def _signed(value: float) -> str:
    return agreement(value).replace("-", "\N{MINUS SIGN}")


def _agreement(row: Mapping[str, Any]) -> str:
    if not known(row, "agreement"):
        return "the agreement s is not defined"
    text = f"{'mean ' if 'networks' in row else ''}agreement s = {_signed(row['agreement'])}"
    if known(row, "agreement_low") and known(row, "agreement_high"):
        resampled = "networks" if "networks" in row else row.get("interval")
        over = f" over {resampled}" if resampled in ("networks", "combinations", "repeats") else ""
        return f"{text} (95 % interval{over} {_signed(row['agreement_low'])} to {_signed(row['agreement_high'])})"
    return f"{text} (no interval)"


def _ceiling(row: Mapping[str, Any]) -> str:
    if not known(row, "ceiling"):
        return "noise ceiling unknown"
    collapsed = int(row["collapsed"]) if known(row, "collapsed") else 0
    are = f"{collapsed:,} combination{' has' if collapsed == 1 else 's have'} collapsed"
    return f"noise ceiling {agreement(row['ceiling'])}{f' (maybe too high: {are})' if collapsed else ''}"


def _p(row: Mapping[str, Any]) -> list[str]:
    for name, words in (("p_permutation", "filter-permutation p"), ("p", "p")):
        if known(row, name):
            value = p_value(row[name], "unicode")
            return [f"{words} {value if value.startswith('<') else f'= {value}'}"]
    return []
