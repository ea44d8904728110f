"""The criterion that is judged: the column that holds its score, and what it is called."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Criterion:
    """A criterion as tables, figures and sentences speak of it.

    Attributes:
        name: Its name, as `picked_by` and configurations have it.
        column: Column of the table of runs that holds its score, one number for each combination; lower is better to
            remove.
        score: What the score is called: an axis, a column, the subject of a sentence.
        pick: What the combination that it picks, the one with the least score, is called.
    """

    name: str
    column: str
    score: str
    pick: str


def named(name: str) -> Criterion:
    """The criterion of this name, with the column that `records.scored_runs` gives its stored scores."""
    return Criterion(name, f"{SCORE_COLUMN}{name}", f"score of {name}", f"{name}'s choice")


SCORE_COLUMN = "score_"

ORACLE = Criterion("oracle", "pruned_train_loss", "pruned train loss", "oracle's choice")
"""The loss right after pruning, on the training set: Definition 3.1 of paper 1 is about this criterion."""
