"""What tells studies apart, in words for a reader."""

import re
from collections.abc import Iterable
from typing import Any

import pandas as pd

from oraclecheck.analysis.rounding import UNDEFINED
from oraclecheck.study.identity import OF_STUDY, SETTING

FOR_READERS = (*(name for name in SETTING if name != "space_size"), "pretrain_seed")
"""Columns that say to a reader what a study is."""

FOR_COMPUTERS = (*(name for name in OF_STUDY if name not in (*FOR_READERS, "schema")), "space")
"""Columns that differ between studies but say little to a reader: names, hashes, sizes."""

_PLAIN = ("model", "data", "layers", "pruning_ratio")
"""Columns whose values speak for themselves."""

HEADINGS = {
    "pruning_ratio": "ratio",
    "retrain_fraction": "retraining",
    "pretrain_seed": "dense seed",
    "study_hash": "hash",
    "setting_hash": "setting",
    "dense_hash": "dense hash",
    "space_size": "space size",
}
_USUAL = {"pipeline": "one_shot", "engine": "lightning"}
"""Values that go without saying where all studies have them."""

_MANY_LAYERS = 4


def heading(name: str) -> str:
    """What an identity column is called in a table."""
    return HEADINGS.get(name, name)


def spell(name: str, value: object) -> str:
    """An identity column's value for a reader, from a table of runs or from one of studies."""
    value = as_text(value) if isinstance(value, list | tuple | dict) else value
    if value is None or value == "" or pd.isna(value):  # type: ignore[call-overload]
        return UNDEFINED
    if name == "retrain_fraction":
        return f"{100 * float(str(value)):g} %"
    if name.endswith("_hash"):
        return str(value)[:8]
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return short_layers(str(value)) if name == "layers" else str(value)


def describe(row: pd.Series, names: Iterable[str]) -> str:
    """The named columns of a study in one phrase, such as "conv1, 0.2, wiring correct"."""
    return ", ".join(
        spell(name, row[name]) if name in _PLAIN else f"{heading(name)} {spell(name, row[name])}" for name in names
    )


def as_text(value: Any) -> str:
    """A value of a table of runs as the table of studies has it: layers and ratios in one string."""
    if isinstance(value, list | tuple):
        return "/".join(map(str, value))
    if isinstance(value, dict):
        ratios = {str(ratio) for ratio in value.values()}
        return ratios.pop() if len(ratios) == 1 else ", ".join(f"{layer} {ratio}" for layer, ratio in value.items())
    return str(value)


def short_layers(layers: str) -> str:
    """Layers as paper 1 writes them: conv1/conv2 is conv1/2; many are shown by the first and the last."""
    names = layers.split("/")
    if len(names) > _MANY_LAYERS:
        return f"{names[0]}/…/{names[-1]} ({len(names)} layers)"
    stem = names[0].rstrip("0123456789")
    numbers = [name.removeprefix(stem) for name in names]
    if stem and all(name.startswith(stem) and rest.isdigit() for name, rest in zip(names, numbers, strict=True)):
        names = [names[0], *numbers[1:]]
    return "/".join(names)


def in_reading_order(table: pd.DataFrame) -> pd.DataFrame:
    """The rows by model, data, layers (single ones first, conv2 before conv10), ratio, and the rest of the identity."""
    names = [name for name in FOR_READERS if name in table]
    places = [[_place(as_text(row[name])) for name in names] for _, row in table.iterrows()]
    return table.iloc[sorted(range(len(places)), key=places.__getitem__)]


def _place(text: str) -> tuple[int, list[tuple[bool, int, str]]]:
    parts = re.findall(r"\d+|\D+", text)
    return text.count("/"), [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]


def varying(table: pd.DataFrame) -> list[str]:
    """The identity columns in which the rows differ, and `setting_hash` where no other tells settings apart.

    `order` is none of them where it follows from the others: small spaces are enumerated and large ones sampled.
    """
    texts = {name: table[name].map(as_text) for name in FOR_READERS if name in table}
    names = [name for name, text in texts.items() if text.nunique() > 1]
    others = [texts[name] for name in names if name != "order"]
    if "order" in names and others and texts["order"].groupby(others).nunique().max() == 1:
        names.remove("order")
    return [*names, "setting_hash"] if look_alikes(table) else names


def look_alikes(table: pd.DataFrame) -> list[pd.DataFrame]:
    """Groups of rows that say the same of their settings and are of several; each with all its rows."""
    if "setting_hash" not in table or table["setting_hash"].nunique() < 2:
        return []
    known = table[table["setting_hash"].notna()]
    said = zip(*(map(str, known[name]) for name in SETTING if name in known), strict=True)
    groups: dict[tuple[str, ...], list[int]] = {}
    for place, words in enumerate(said):
        groups.setdefault(words, []).append(place)
    alike = [known.iloc[places] for places in groups.values() if len(places) > 1]
    return [rows for rows in alike if rows["setting_hash"].nunique() > 1]


def shared(table: pd.DataFrame) -> list[str]:
    """The identity columns in which all rows have the same known value, unless it goes without saying."""
    same = [name for name in FOR_READERS if name in table and table[name].map(str).nunique() == 1]
    return [name for name in same if spell(name, table[name].iloc[0]) not in (UNDEFINED, _USUAL.get(name))]


def combination_name(run: pd.Series) -> str:
    """How a run's folder calls its combination: the criterion that picked it, else its number."""
    return str(run["picked_by"] if pd.isna(run["combo"]) else int(run["combo"]))


def study_labels(runs: pd.DataFrame) -> dict[str, str]:
    """Each study's short name for a figure, what tells it apart, else its name; in the order in which to read them."""
    first = in_reading_order(runs.drop_duplicates("study"))
    names = varying(first)
    labels = {str(row["study"]): describe(row, names) for _, row in first.iterrows()}
    unique = len(set(labels.values())) == len(labels)
    return labels if names and unique else {study: study for study in labels}


def short_names(studies: Iterable[str]) -> list[str]:
    """The hash that ends a study's name where every study has one and they differ, else the names."""
    names = [str(study) for study in studies]
    tails = [name.rpartition("-")[2] for name in names]
    are_hashes = all(len(tail) == 8 and set(tail) <= set("0123456789abcdef") for tail in tails)
    return tails if are_hashes and len(set(tails)) == len(set(names)) else names
