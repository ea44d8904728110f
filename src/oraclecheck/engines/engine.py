"""What every engine takes and gives: pruned networks retrained, one at a time or many at once."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from torch import nn

from oraclecheck.data.images import ImageData
from oraclecheck.engines.evaluation import Evaluation
from oraclecheck.engines.recipe import Recipe
from oraclecheck.engines.trainer import TrainerSettings
from oraclecheck.pruning.combination import Removed


@dataclass(frozen=True)
class Run:
    """What an engine has to do once.

    Attributes:
        removed: Layer -> its removed filters.
        seed: Decides the order of the training images and whatever else is random.
    """

    removed: Removed
    seed: int


@dataclass(frozen=True)
class Retraining:
    """A retrained network and what was measured on the way; a record's metrics come from here.

    Attributes:
        network: The retrained network, on the CPU.
        pruned_train: The network after pruning, before retraining, on the training set.
        pruned_test: The same on the test set.
        final_train: The network after the last epoch, on the training set.
        final_test: The same on the test set.
        history: See `callbacks.History.epochs`.
        diverged: Whether any loss was NaN or infinite.
        seconds: Wall time of `prune` (with its evaluation), `retrain` (with the test set after each epoch) and `total`;
            of networks that were retrained at once, the share of each.
    """

    network: nn.Module
    pruned_train: Evaluation
    pruned_test: Evaluation
    final_train: Evaluation
    final_test: Evaluation
    history: list[dict[str, float]]
    diverged: bool
    seconds: dict[str, float]


Prune = Callable[[nn.Module, Removed], nn.Module]
"""Gives the pruned copy of a dense network."""

Tell = Callable[[Run, dict[str, float]], None]
"""Is told of a run what the pruned network shows before retraining (`pruned_...`), then each epoch's entry."""


class Engine(Protocol):
    """Carries out retrainings."""

    def __call__(
        self,
        runs: Iterable[Run],
        dense: nn.Module,
        prune: Prune,
        data: ImageData,
        recipe: Recipe,
        trainer: TrainerSettings,
        tell: Tell | None = None,
    ) -> Iterator[Retraining | Exception]:
        """Prune the dense network and retrain the result, for each of several runs.

        Args:
            runs: What to do; an engine takes as many of them as it does at once, then the next.
            dense: The dense network; it is not changed.
            prune: Gives the pruned copy of it.
            data: What networks are trained and measured on, on the device of `trainer`.
            recipe: The retraining recipe, already scaled.
            trainer: Device, precision, threads.
            tell: See `Tell`.

        Yields:
            For each run, in their order: its retraining, or the exception that it raised; other runs go on.
        """
