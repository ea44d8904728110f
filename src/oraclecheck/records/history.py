"""The epochs of a run: one entry each, all alike."""

import math
import sys
from collections.abc import Mapping
from itertools import chain
from operator import itemgetter
from typing import Any

from oraclecheck.records.flaw import Flaw, short

EPOCH = ("epoch", "lr", "train_loss", "test_loss", "test_accuracy")
"""What an entry of the history has."""

MOST = sys.float_info.max
"""The greatest number that is finite."""


def history_flaw(row: Mapping[str, Any]) -> Flaw | None:
    """The first thing in a run's history that no training leaves.

    Args:
        row: With `history`, `best_epoch` and `status`.
    """
    history, best = row["history"], row["best_epoch"]
    if not history:  # a file of points has none
        return None
    if best is not None and best >= len(history):
        return Flaw("best_epoch", f"be one of the {len(history)} epochs in history", short(best))
    if _is_plain(history):
        return None
    return next(filter(None, (_epoch(number, entry, row["status"]) for number, entry in enumerate(history))), None)


def _is_plain(history: list[Any]) -> bool:
    """Whether all is as it should be, in a few calls: thousands of runs have hundreds of thousands of entries."""
    if set(map(type, history)) != {dict} or set(map(len, history)) != {len(EPOCH)}:
        return False
    try:
        epochs, *measured = zip(*map(_VALUES, history), strict=True)
    except KeyError:
        return False
    if not set(map(type, chain(epochs, *measured))) <= {int, float} or epochs != tuple(range(len(history))):
        return False
    # a sum that is finite has no NaN in it, which min and max may overlook
    return all(min(values) >= 0 and sum(values) <= MOST for values in measured) and max(measured[-1]) <= 1


_VALUES = itemgetter(*EPOCH)


def _epoch(number: int, entry: Any, status: str) -> Flaw | None:
    if not isinstance(entry, dict) or entry.keys() != set(EPOCH):
        return Flaw("history", f"hold {', '.join(EPOCH)} for every epoch", f"{short(entry)} for epoch {number}")
    for name, value in entry.items():
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        if not numeric or (name == "epoch" and value != number):
            rule = "be numbered from 0" if name == "epoch" else f"hold a number as {name}"
            return Flaw("history", rule, f"{short(value)} for epoch {number}")
        infinite = status == "diverged" and (value != value or value == math.inf)
        if not 0 <= value <= (1 if name == "test_accuracy" else MOST) and not infinite:
            rule = f"hold {'a fraction in [0, 1]' if name == 'test_accuracy' else 'a finite number of at least 0'}"
            return Flaw("history", f"{rule} as {name}", f"{short(value)} for epoch {number}")
    return None
