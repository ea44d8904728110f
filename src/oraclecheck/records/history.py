"""The epochs of a run, and the rounds of one that was pruned iteratively: one entry each, all alike."""

import math
import sys
from collections.abc import Mapping
from itertools import chain
from operator import itemgetter
from typing import Any

from oraclecheck.spelling import spell_value

EPOCH = ("epoch", "lr", "train_loss", "test_loss", "test_accuracy")
"""What an entry of the history has."""

ROUND = (
    "epochs",
    "params",
    "macs",
    *(
        f"{network}_{images}_{metric}"
        for network in ("pruned", "retrained")
        for images in ("train", "test")
        for metric in ("loss", "accuracy")
    ),
)
"""What a round has: of the network right after its pruning, and of the same after its retraining."""

MOST = sys.float_info.max
"""The greatest number that is finite."""


def history_flaw(row: Mapping[str, Any]) -> str | None:
    """The first thing in a run's history that no training leaves.

    Args:
        row: With `history`, `best_epoch` and `status`.
    """
    history, best = row["history"], row["best_epoch"]
    if not history:  # a file of points has none
        return None
    if best is not None and best >= len(history):
        return f"best_epoch must be one of the {len(history)} epochs in history; got {spell_value(best)}"
    if _is_plain(history):
        return None
    for number, entry in enumerate(history):
        if flaw := _flaw(number, entry, row["status"]):
            rule, value = flaw
            return f"history must {rule}; got {spell_value(value)} for epoch {number}"
    return None


def _is_plain(history: list[Any]) -> bool:
    """Whether all is as it should be, in a few calls: thousands of runs have hundreds of thousands of entries."""
    if set(map(type, history)) != {dict} or set(map(len, history)) != {len(EPOCH)}:
        return False
    try:
        epochs, *measured = zip(*map(itemgetter(*EPOCH), history), strict=True)
    except KeyError:
        return False
    if not set(map(type, chain(epochs, *measured))) <= {int, float} or epochs != tuple(range(len(history))):
        return False
    # a sum that is finite has no NaN in it, which min and max may overlook
    return all(min(values) >= 0 and sum(values) <= MOST for values in measured) and max(measured[-1]) <= 1


def _flaw(number: int, entry: Any, status: str) -> tuple[str, Any] | None:
    """The rule that an entry breaks, and with what."""
    if not isinstance(entry, dict) or entry.keys() != set(EPOCH):
        return f"hold {', '.join(EPOCH)} for every epoch", entry
    for name, value in entry.items():
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        if not numeric or (name == "epoch" and value != number):
            return "be numbered from 0" if name == "epoch" else f"hold a number as {name}", value
        infinite = status == "diverged" and (value != value or value == math.inf)
        if not 0 <= value <= (1 if name == "test_accuracy" else MOST) and not infinite:
            what = "a fraction in [0, 1]" if name == "test_accuracy" else "a finite number of at least 0"
            return f"hold {what} as {name}", value
    return None


def rounds_flaw(row: Mapping[str, Any]) -> str | None:
    """The first thing in a run's rounds that no pruning leaves.

    Args:
        row: With `rounds`, `history` and `status`.
    """
    rounds = row["rounds"]
    for number, entry in enumerate(rounds):
        if not isinstance(entry, dict) or entry.keys() != set(ROUND):
            return f"rounds must hold {', '.join(ROUND)} for every round; got {spell_value(entry)} for round {number}"
        for name, value in entry.items():
            infinite = row["status"] == "diverged" and (value != value or value == math.inf)
            numeric = isinstance(value, int | float) and not isinstance(value, bool)
            if not numeric or (not 0 <= value <= (1 if name.endswith("accuracy") else MOST) and not infinite):
                what = "a fraction in [0, 1]" if name.endswith("accuracy") else "a number of at least 0"
                return f"rounds must hold {what} as {name}; got {spell_value(value)} for round {number}"
    if rounds and sum(entry["epochs"] for entry in rounds) != len(row["history"]):
        return f"rounds must have the {len(row['history'])} epochs of history; got other numbers of them"
    return None
