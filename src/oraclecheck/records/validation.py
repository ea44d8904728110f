"""What a run can have left, checked alike wherever its row was read: disk, CSV, Parquet, W&B.

`flaw_of` looks at a row alone, `siblings.deviation` at a row beside what its study fixes. Both give the first thing
that is wrong, so that whoever reads decides whether to refuse the source or to mark the run.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from oraclecheck.pruning.combination import MOST_FILTERS
from oraclecheck.pruning.masks.choice import choice_flaw, is_mask_choice
from oraclecheck.records.history import MOST, history_flaw, rounds_flaw
from oraclecheck.spelling import spell_value
from oraclecheck.study.identity import RunIdentity

Row = Mapping[str, Any]

MOST_DIGITS = 100
"""Of an index: it is a folder's name and part of a W&B run's id, which hold 255 and 128 characters."""

OUTCOMES = ("ok", "failed", "diverged")
"""The statuses that a record has."""

UNFINISHED = "unfinished"
"""Status of a run that was begun and has no valid record: not an outcome. Tables know it, records never have it."""

_NAMES = tuple(column.name for column in fields(RunIdentity) if column.type in (str, str | None))

_INT64 = 2**63 - 1
_LOSSES = (
    *(f"{network}_{images}_loss" for network in ("dense", "pruned", "final", "best") for images in ("train", "test")),
    "last5_test_loss_mean",
)
_ACCURACIES = tuple(name.replace("loss", "accuracy") for name in _LOSSES)
_SPREADS = ("last5_test_accuracy_std", "last5_test_loss_std")
_METRICS = frozenset((*_ACCURACIES, *_LOSSES, *_SPREADS))
_SIZES = tuple(f"{network}_{size}" for network in ("dense", "pruned") for size in ("params", "macs"))
_DURATIONS = ("duration_prune", "duration_retrain", "duration_total")

MEASURED = (*(name for name in (*_LOSSES, *_ACCURACIES) if not name.startswith(("best_train", "last5"))), "best_epoch")
"""What every run with status "ok" has measured."""

_BOUNDS: dict[str, tuple[float, float, str]] = {
    "schema": (1, _INT64, ""),
    "space_size": (1, 10**300 - 1, "be null or lie in 1..10^300-1"),
    "combo": (0, 10**MOST_DIGITS - 1, f"be at least 0 and have at most {MOST_DIGITS} digits"),
    "repeat": (0, _INT64, ""),
    "seed": (-_INT64 - 1, _INT64, "fit into 64 bits"),
    "retrain_fraction": (math.ulp(0), 1, "lie in (0, 1]"),
    "pretrain_seed": (-_INT64 - 1, _INT64, "fit into 64 bits"),
    **dict.fromkeys(_ACCURACIES, (0, 1, "be a fraction in [0, 1]")),
    **dict.fromkeys((*_LOSSES, *_SPREADS, *_DURATIONS), (0, MOST, "")),
    **dict.fromkeys(("best_epoch", *_SIZES), (0, _INT64, "")),
    "threads": (1, _INT64, ""),
}
"""Column -> the least and the greatest number that it may hold, and the rule in words, if it has words of its own."""


def flaw_of(row: Row) -> str | None:
    """The first thing that no run can have left; None where a value is None: a file of points lacks most columns.

    Args:
        row: With every column of a record, each of its type.
    """
    for name, (low, high, _) in _BOUNDS.items():
        value = row[name]
        if value is not None and not low <= value <= high and (flaw := _number(name, value, row["status"])):
            return flaw
    return _words(row) or _index(row) or _layers(row) or history_flaw(row) or rounds_flaw(row)


def gap_of(row: Row) -> str | None:
    """The first thing that a run's own record cannot lack.

    Args:
        row: A row without a flaw.
    """
    if row["status"] not in OUTCOMES:
        return f"status must be one of {', '.join(OUTCOMES)}; got {spell_value(row['status'])}"
    for name in _by_layer(row):
        if set(row[name]) != set(row["layers"]):
            return f"{name} must name the layers, {spell_value(row['layers'])}; got {spell_value(list(row[name]))}"
    if row["status"] == "failed" and not row["error"]:
        return "error must say why where status is failed; got nothing"
    if row["status"] == "ok":
        for name in MEASURED:
            if row[name] is None:
                return f"{name} must be a finite number where status is ok; got nothing"
        if not row["history"]:
            return "history must have an entry for each epoch where status is ok; got none"
    return None


def _number(name: str, value: float, status: str) -> str | None:
    """The flaw of a number out of its bounds; None where a run that diverged may have it."""
    if name in _METRICS and (value != value or value == math.inf):
        if status != "diverged":
            return f"{name} must be a finite number unless status is diverged; got {value}"
        if value != value or name not in _ACCURACIES:
            return None
    low, high, rule = _BOUNDS[name]
    above = "fit into 64 bits" if high == _INT64 else "be a finite number"
    mend = " (divide percents by 100)" if name in _ACCURACIES and 1 < value <= 100 else ""
    return f"{name} must {rule or (f'be at least {low:g}' if value < low else above)}; got {spell_value(value)}{mend}"


def _words(row: Row) -> str | None:
    if row["status"] not in (*OUTCOMES, UNFINISHED):
        return f"status must be one of {', '.join(OUTCOMES)} or {UNFINISHED}; got {spell_value(row['status'])}"
    if row["order"] not in (None, "lexicographic", "sampled"):
        return f"order must be lexicographic or sampled; got {spell_value(row['order'])}"
    for name in _NAMES:
        word = row[name]
        if word == "":
            return f"{name} must not be empty; got ''"
        try:
            (word or "").encode()
        except UnicodeEncodeError:
            return f"{name} must be text that UTF-8 can say; got {spell_value(word)}"
    return None


def _index(row: Row) -> str | None:
    combo, picked_by, size = row["combo"], row["picked_by"], row["space_size"]
    if (combo is None) == (picked_by is None):
        return f"combo must be given, or else picked_by; got {'neither' if combo is None else 'both'}"
    if combo is not None and size is not None and combo >= size:
        return f"combo must lie below space_size, {spell_value(size)}; got {spell_value(combo)}"
    return None


def _layers(row: Row) -> str | None:
    layers, ratios, removed = row["layers"], row["pruning_ratio"], row["removed"]
    if not _are(layers, str) or len(set(layers)) < len(layers):
        return f"layers must be distinct names; got {spell_value(layers)}"
    for layer, ratio in ratios.items():
        if type(ratio) not in (float, int) or not 0 < ratio < 1:
            return f"pruning_ratio must lie in (0, 1) for {spell_value(layer)}; got {spell_value(ratio)}"
    for name in _by_layer(row):
        if layers and row[name] and set(row[name]) != set(layers):
            return f"{name} must name the layers, {spell_value(layers)}; got {spell_value(list(row[name]))}"
    if is_mask_choice(removed):
        if rule := choice_flaw(removed):
            return f"removed must {rule}; got {spell_value(removed)}"
        removed = {}
    for layer, filters in removed.items():
        rule = None
        if not isinstance(filters, list) or not _are(filters, int):
            rule = "be a list of filters' indices for {}"
        elif filters and not 0 <= min(filters) <= max(filters) < MOST_FILTERS:
            rule = f"lie in 0..{MOST_FILTERS - 1} for {{}}"
        elif row["pipeline"] == "iterative":  # round by round
            rule = "be distinct filters of {}" if len(set(filters)) < len(filters) else None
        elif filters != sorted(set(filters)):
            rule = "be distinct filters of {} in ascending order"
        if rule:
            return f"removed must {rule.format(spell_value(layer))}; got {spell_value(filters)}"
    if not _are(row["versions"].values(), str):
        return f"versions must be text for every package; got {spell_value(row['versions'])}"
    return None


def _by_layer(row: Row) -> tuple[str, ...]:
    """The columns that say something of every layer."""
    return ("pruning_ratio",) if is_mask_choice(row["removed"]) else ("pruning_ratio", "removed")


def _are(values: Iterable[Any], kind: type) -> bool:
    return set(map(type, values)) <= {kind}
