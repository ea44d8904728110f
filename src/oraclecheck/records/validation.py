"""What a run can have left, checked alike wherever its row was read: disk, CSV, Parquet, W&B.

`flaw_of` looks at a row alone, `siblings.deviation` at a row beside what its study fixes. Both give the first thing
that is wrong, so that whoever reads decides whether to refuse the source or to mark the run.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from oraclecheck.pruning.combination import MOST_FILTERS
from oraclecheck.records.flaw import Flaw, short
from oraclecheck.records.history import MOST, history_flaw
from oraclecheck.study.identity import RunIdentity

Row = Mapping[str, Any]

MOST_DIGITS = 100
"""Of an index: it is a folder's name and part of a W&B run's id, which hold 255 and 128 characters."""

OUTCOMES = ("ok", "failed", "diverged")
"""The statuses that a record has."""

UNFINISHED = "unfinished"
"""Status of a run that was begun and has no valid record: not an outcome. Tables know it, records never have it."""

_STATUSES = (*OUTCOMES, UNFINISHED)
_ORDERS = ("lexicographic", "sampled")
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


def mistyped(row: Row, kinds: Mapping[str, tuple[type, ...]]) -> Flaw | None:
    """The first column whose value has none of its types.

    Args:
        row: With every column of `kinds`.
        kinds: Column -> its types.
    """
    for name, expected in kinds.items():
        value = row[name]
        # an instance of a subclass is fine, such as NumPy's floats, but for True and False, which are integers
        if type(value) not in expected and (not isinstance(value, expected) or isinstance(value, bool)):
            words = sorted({"null" if kind is type(None) else kind.__name__ for kind in expected})
            return Flaw(name, f"be {' or '.join(words)}", short(value))
    return None


def flaw_of(row: Row) -> Flaw | None:
    """The first thing that no run can have left; None where a value is None: a file of points lacks most columns.

    Args:
        row: With every column of a record, each of its type.
    """
    for name, (low, high, _) in _BOUNDS.items():
        value = row[name]
        if value is not None and not low <= value <= high and (flaw := _number(name, value, row["status"])):
            return flaw
    return _words(row) or _index(row) or _layers(row) or history_flaw(row)


def gap_of(row: Row, measured: Iterable[str]) -> Flaw | None:
    """The first thing that a run's own record cannot lack.

    Args:
        row: A row without a flaw.
        measured: What a run with status ok has measured.
    """
    for name in ("pruning_ratio", "removed"):
        if set(row[name]) != set(row["layers"]):
            return Flaw(name, f"name the layers, {short(row['layers'])}", short(list(row[name])))
    if row["status"] == "failed" and not row["error"]:
        return Flaw("error", "say why where status is failed", "nothing")
    if row["status"] == "ok":
        for name in measured:
            if row[name] is None:
                return Flaw(name, "be a finite number where status is ok", "nothing")
        if not row["history"]:
            return Flaw("history", "have an entry for each epoch where status is ok", "none")
    return None


def _number(name: str, value: float, status: str) -> Flaw | None:
    """The flaw of a number out of its bounds; None where a run that diverged may have it."""
    if name in _METRICS and (value != value or value == math.inf):
        if status != "diverged":
            return Flaw(name, "be a finite number unless status is diverged", str(value))
        if value != value or name not in _ACCURACIES:
            return None
    low, high, rule = _BOUNDS[name]
    above = "fit into 64 bits" if high == _INT64 else "be a finite number"
    mend = ": divide percents by 100" if name in _ACCURACIES and 1 < value <= 100 else ""
    return Flaw(name, rule or (f"be at least {low:g}" if value < low else above), short(value), mend)


def _words(row: Row) -> Flaw | None:
    if row["status"] not in _STATUSES:
        return Flaw("status", f"be one of {', '.join(_STATUSES)}", short(row["status"]))
    if row["order"] not in (None, *_ORDERS):
        return Flaw("order", f"be {' or '.join(_ORDERS)}", short(row["order"]))
    for name in _NAMES:
        word = row[name]
        if word is None or (word and word.isascii()):
            continue
        if not word:
            return Flaw(name, "not be empty", "''")
        try:
            word.encode()
        except UnicodeEncodeError:
            return Flaw(name, "be text that UTF-8 can say", short(word))
    return None


def _index(row: Row) -> Flaw | None:
    combo, picked_by, size = row["combo"], row["picked_by"], row["space_size"]
    if (combo is None) == (picked_by is None):
        return Flaw("combo", "be given, or else picked_by", "neither" if combo is None else "both")
    if combo is not None and size is not None and combo >= size:
        return Flaw("combo", f"lie below space_size, {short(size)}", short(combo))
    return None


def _layers(row: Row) -> Flaw | None:
    layers, ratios, removed = row["layers"], row["pruning_ratio"], row["removed"]
    if not _are(layers, str) or len(set(layers)) < len(layers):
        return Flaw("layers", "be distinct names", short(layers))
    for layer, ratio in ratios.items():
        if type(ratio) not in (float, int) or not 0 < ratio < 1:
            return Flaw("pruning_ratio", f"lie in (0, 1) for {short(layer)}", short(ratio))
    for name in ("pruning_ratio", "removed"):
        if layers and row[name] and set(row[name]) != set(layers):
            return Flaw(name, f"name the layers, {short(layers)}", short(list(row[name])))
    for layer, filters in removed.items():
        if not isinstance(filters, list) or not _are(filters, int):
            return Flaw("removed", f"be a list of filters' indices for {short(layer)}", short(filters))
        if filters and not 0 <= min(filters) <= max(filters) < MOST_FILTERS:
            return Flaw("removed", f"lie in 0..{MOST_FILTERS - 1} for {short(layer)}", short(filters))
        if filters != sorted(set(filters)):
            return Flaw("removed", f"be distinct filters of {short(layer)} in ascending order", short(filters))
    if not _are(row["versions"].values(), str):
        return Flaw("versions", "be text for every package", short(row["versions"]))
    return None


def _are(values: Iterable[Any], kind: type) -> bool:
    return set(map(type, values)) <= {kind}
