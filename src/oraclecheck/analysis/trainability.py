"""Trainability accuracy (Wang et al., arXiv 2301.05219, Eq. 1): how well a network learns at its first rate.

The mean test accuracy of the first N epochs, N being the length of the first stage of the schedule. It is comparable
only between networks that were trained by the same schedule.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise, takewhile
from statistics import fmean

Epochs = Sequence[Mapping[str, float]]
"""A run's history."""


def first_stage(history: Epochs) -> int:
    """Epochs of the first stage: those at the first rate; 0 where the rate falls from the first epoch on."""
    if not history:
        return 0
    stage = sum(1 for _ in takewhile(lambda entry: entry["lr"] == history[0]["lr"], history))
    return stage if stage > 1 or len(history) == 1 or _is_stepped(history) else 0


def _is_stepped(history: Epochs) -> bool:
    """Whether some rate is kept for more than an epoch, as along a cosine none is."""
    rates = [entry["lr"] for entry in history]
    return any(one == other for one, other in pairwise(rates))


def trainability_accuracy(history: Epochs) -> float | None:
    """The mean test accuracy of the first stage, higher is better; None where there is no such stage."""
    stage = first_stage(history)
    return fmean(entry["test_accuracy"] for entry in history[:stage]) if stage else None
