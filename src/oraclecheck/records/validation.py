"""What a run can have left, checked alike wherever its row was read: disk, CSV, Parquet, W&B.

`flaw_of` looks at one row, `deviation` at a row beside what its study fixes. Both give the first thing that is wrong,
so that whoever reads decides whether to refuse the source or to mark the run.
"""

import math
import reprlib
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

from oraclecheck.pruning.combination import MOST_FILTERS
from oraclecheck.study.identity import OF_STUDY, RunIdentity

Row = Mapping[str, Any]

MOST_DIGITS = 100
"""Of an index: it is a folder's name and part of a W&B run's id, which hold 255 and 128 characters."""

SHARED = tuple(name for name in OF_STUDY if name not in ("schema", "pretrain_seed"))
"""Columns in which the records of a study agree, as they do in how many filters each layer loses.

Not the schema, and not the pretraining's seed: the same dense network may have been trained, or loaded from a file.
"""

EPOCH = ("epoch", "lr", "train_loss", "test_loss", "test_accuracy")
"""What an entry of the history has."""

OUTCOMES = ("ok", "failed", "diverged")
"""The statuses that a record has."""

UNFINISHED = "unfinished"
"""Status of a run that was begun and has no valid record: not an outcome. Tables know it, records never have it."""

_STATUSES = (*OUTCOMES, UNFINISHED)
_ORDERS = ("lexicographic", "sampled")
_NAMES = tuple(column.name for column in fields(RunIdentity) if column.type in (str, str | None))

_INT64 = 2**63 - 1
_MOST = sys.float_info.max
_NETWORKS = [f"{network}_{images}" for network in ("dense", "pruned", "final", "best") for images in ("train", "test")]
_ACCURACIES = (*(f"{network}_accuracy" for network in _NETWORKS), "last5_test_accuracy_mean")
_LOSSES = (*(f"{network}_loss" for network in _NETWORKS), "last5_test_loss_mean")
_SPREADS = ("last5_test_accuracy_std", "last5_test_loss_std")
_METRICS = frozenset((*_ACCURACIES, *_LOSSES, *_SPREADS))
_SIZES = tuple(f"{network}_{size}" for network in ("dense", "pruned") for size in ("params", "macs"))

_BOUNDS: dict[str, tuple[float, float]] = {
    "schema": (1, _INT64),
    "space_size": (1, 10**300 - 1),
    "combo": (0, 10**MOST_DIGITS - 1),
    "repeat": (0, _INT64),
    "seed": (-_INT64 - 1, _INT64),
    "retrain_fraction": (math.ulp(0), 1),
    "pretrain_seed": (-_INT64 - 1, _INT64),
    **dict.fromkeys(_ACCURACIES, (0, 1)),
    **dict.fromkeys((*_LOSSES, *_SPREADS), (0, _MOST)),
    **dict.fromkeys(("best_epoch", *_SIZES), (0, _INT64)),
    **dict.fromkeys(("duration_prune", "duration_retrain", "duration_total"), (0, _MOST)),
    "threads": (1, _INT64),
}
"""Column -> the least and the greatest number that it may hold; both belong to it."""

_RULES = {
    "space_size": "be null or lie in 1..10^300-1",
    "combo": f"be at least 0 and have at most {MOST_DIGITS} digits",
    "seed": "fit into 64 bits",
    "pretrain_seed": "fit into 64 bits",
    "retrain_fraction": "lie in (0, 1]",
    **dict.fromkeys(_ACCURACIES, "be a fraction in [0, 1]"),
}


class Flaw(NamedTuple):
    """What is wrong with a row.

    Attributes:
        column: Where.
        rule: What the column must do.
        got: What it has instead, short.
        mend: What to do about it, where that is known.
    """

    column: str
    rule: str
    got: str
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.column} must {self.rule}; got {self.got}{self.mend}"


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
            return Flaw(name, f"be {' or '.join(words)}", reprlib.repr(value))
    return None


def flaw_of(row: Row) -> Flaw | None:
    """The first thing that no run can have left; None where a value is None: a file of points lacks most columns.

    Args:
        row: With every column of a record, each of its type.
    """
    for name, (low, high) in _BOUNDS.items():
        value = row[name]
        if value is not None and not low <= value <= high and (flaw := _number(name, value, low, high, row["status"])):
            return flaw
    return _words(row) or _index(row) or _layers(row) or _history(row)


def gap_of(row: Row, measured: Iterable[str]) -> Flaw | None:
    """The first thing that a run's own record cannot lack.

    Args:
        row: A row without a flaw.
        measured: What a run with status ok has measured.
    """
    for name in ("pruning_ratio", "removed"):
        if set(row[name]) != set(row["layers"]):
            return Flaw(name, f"name the layers, {_short(row['layers'])}", _short(list(row[name])))
    if row["status"] == "failed" and not row["error"]:
        return Flaw("error", "say why where status is failed", "nothing")
    if row["status"] == "ok":
        for name in measured:
            if row[name] is None:
                return Flaw(name, "be a finite number where status is ok", "nothing")
        if not row["history"]:
            return Flaw("history", "have an entry for each epoch where status is ok", "none")
    return None


def deviation(row: Row, shared: Row, whose: str) -> Flaw | None:
    """The first column in which a row is not what its study is.

    Args:
        row: Of the study, by its name.
        shared: The columns `SHARED` of the study, and `removed` with as many filters in each layer.
        whose: Who says what the study is, for messages.
    """
    for name in SHARED:
        if row[name] != shared[name]:
            return Flaw(name, f"be that of {whose}, {_short(shared[name])}", _short(row[name]))
    one, other = _counts(row), _counts(shared)
    if one != other:
        return Flaw("removed", f"number {_short(other)}, as in {whose}", _short(one))
    return None


def deviations(rows: Sequence[Row]) -> dict[int, tuple[Flaw, Row]]:
    """Rows that do not agree with most rows of their study: number -> what is wrong, and a row of the majority.

    Args:
        rows: Of any studies, each with `study`, the columns `SHARED` and `removed`.
    """
    studies: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        studies.setdefault(row["study"], []).append(number)
    found = {}
    for numbers in studies.values():
        keys = [repr(([rows[number][name] for name in SHARED], _counts(rows[number]))) for number in numbers]
        usual = rows[numbers[keys.index(Counter(keys).most_common(1)[0][0])]]
        for number in numbers:
            if flaw := deviation(rows[number], usual, "its study's other records"):
                found[number] = flaw, usual
    return found


def _counts(row: Row) -> dict[str, int]:
    return {layer: len(filters) for layer, filters in row["removed"].items()}


def _number(name: str, value: float, low: float, high: float, status: str) -> Flaw | None:
    if name in _METRICS and (value != value or value == math.inf):
        if status != "diverged":
            return Flaw(name, "be a finite number unless status is diverged", str(value))
        if value != value or name not in _ACCURACIES:
            return None
    above = "fit into 64 bits" if high == _INT64 else "be a finite number"
    rule = _RULES.get(name) or (f"be at least {low:g}" if value < low else above)
    mend = ": divide percents by 100" if name in _ACCURACIES and 1 < value <= 100 else ""
    return Flaw(name, rule, _short(value), mend)


def _words(row: Row) -> Flaw | None:
    if row["status"] not in _STATUSES:
        return Flaw("status", f"be one of {', '.join(_STATUSES)}", _short(row["status"]))
    if row["order"] not in (None, *_ORDERS):
        return Flaw("order", f"be {' or '.join(_ORDERS)}", _short(row["order"]))
    for name in _NAMES:
        word = row[name]
        if word is None or (word and word.isascii()):
            continue
        if not word:
            return Flaw(name, "not be empty", "''")
        try:
            word.encode()
        except UnicodeEncodeError:
            return Flaw(name, "be text that UTF-8 can say", _short(word))
    return None


def _index(row: Row) -> Flaw | None:
    combo, picked_by, size = row["combo"], row["picked_by"], row["space_size"]
    if (combo is None) == (picked_by is None):
        return Flaw("combo", "be given, or else picked_by", "neither" if combo is None else "both")
    if combo is not None and size is not None and combo >= size:
        return Flaw("combo", f"lie below space_size, {_short(size)}", _short(combo))
    return None


def _layers(row: Row) -> Flaw | None:
    layers, ratios, removed = row["layers"], row["pruning_ratio"], row["removed"]
    if not _are(layers, str) or len(set(layers)) < len(layers):
        return Flaw("layers", "be distinct names", _short(layers))
    for layer, ratio in ratios.items():
        if type(ratio) not in (float, int) or not 0 < ratio < 1:
            return Flaw("pruning_ratio", f"lie in (0, 1) for {_short(layer)}", _short(ratio))
    for name in ("pruning_ratio", "removed"):
        if layers and row[name] and set(row[name]) != set(layers):
            return Flaw(name, f"name the layers, {_short(layers)}", _short(list(row[name])))
    for layer, filters in removed.items():
        if not isinstance(filters, list) or not _are(filters, int):
            return Flaw("removed", f"be a list of filters' indices for {_short(layer)}", _short(filters))
        if filters and not 0 <= min(filters) <= max(filters) < MOST_FILTERS:
            return Flaw("removed", f"lie in 0..{MOST_FILTERS - 1} for {_short(layer)}", _short(filters))
        if filters != sorted(set(filters)):
            return Flaw("removed", f"be distinct filters of {_short(layer)} in ascending order", _short(filters))
    if not _are(row["versions"].values(), str):
        return Flaw("versions", "be text for every package", _short(row["versions"]))
    return None


def _history(row: Row) -> Flaw | None:
    history, best = row["history"], row["best_epoch"]
    if not history:  # a file of points has none
        return None
    if best is not None and best >= len(history):
        return Flaw("best_epoch", f"be one of the {len(history)} epochs in history", _short(best))
    if _is_plain(history):
        return None
    return next(filter(None, (_epoch(number, entry, row["status"]) for number, entry in enumerate(history))), None)


def _is_plain(history: list[Any]) -> bool:
    """Whether all is as it should be, in a few calls: thousands of runs have hundreds of thousands of entries."""
    if not _are(history, dict) or set(map(len, history)) != {len(EPOCH)}:
        return False
    try:
        epochs, *measured = zip(*map(_VALUES, history), strict=True)
    except KeyError:
        return False
    if not set(map(type, chain(epochs, *measured))) <= {int, float} or epochs != tuple(range(len(history))):
        return False
    # a sum that is finite has no NaN in it, which min and max may overlook
    return all(min(values) >= 0 and sum(values) <= _MOST for values in measured) and max(measured[-1]) <= 1


_VALUES = itemgetter(*EPOCH)


def _epoch(number: int, entry: Any, status: str) -> Flaw | None:
    if not isinstance(entry, dict) or entry.keys() != set(EPOCH):
        return Flaw("history", f"hold {', '.join(EPOCH)} for every epoch", f"{_short(entry)} for epoch {number}")
    for name, value in entry.items():
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        if not numeric or (name == "epoch" and value != number):
            rule = "be numbered from 0" if name == "epoch" else f"hold a number as {name}"
            return Flaw("history", rule, f"{_short(value)} for epoch {number}")
        infinite = status == "diverged" and (value != value or value == math.inf)
        if not 0 <= value <= (1 if name == "test_accuracy" else _MOST) and not infinite:
            rule = f"hold {'a fraction in [0, 1]' if name == 'test_accuracy' else 'a finite number of at least 0'}"
            return Flaw("history", f"{rule} as {name}", f"{_short(value)} for epoch {number}")
    return None


def _are(values: Iterable[Any], kind: type) -> bool:
    return set(map(type, values)) <= {kind}


def _short(value: Any) -> str:
    if isinstance(value, int) and abs(value) >= 10**15:
        return f"about {'-' if value < 0 else ''}10^{round(math.log10(abs(value)))}"
    return reprlib.repr(value)
