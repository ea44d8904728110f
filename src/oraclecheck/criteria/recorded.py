"""Scores that records hold already: nothing is run."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PartialAccuracy:
    """One minus the test accuracy after a share of the retraining, so that lower is better to remove.

    Feng et al., arXiv 2412.00143, Appendix E, retrain for 10 % of the epochs with a schedule of their own; here the
    one retraining that there is is looked at earlier. It is the same retraining, and the same test set, as that of the
    final metric: with few epochs in between the two share their noise.

    Args:
        share: Of the epochs, in (0, 1]; as many as a share of a recipe has, `max(1, round(share * epochs))`.

    Raises:
        ValueError: If the share is not in (0, 1].
    """

    share: float = 0.1

    def __post_init__(self) -> None:
        """Refuse a share that there is not."""
        if not 0 < self.share <= 1:
            raise ValueError(f"share must lie in (0, 1]; got {self.share}")

    def __call__(self, run: Mapping[str, Any]) -> float:
        """The score of a run, given the columns of its record; NaN where it has no history."""
        history = run["history"]
        if not history:
            return math.nan
        return 1 - history[max(1, round(self.share * len(history))) - 1]["test_accuracy"]
