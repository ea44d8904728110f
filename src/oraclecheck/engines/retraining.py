"""One run: prune the dense network, measure it, retrain it, measure it again."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from oraclecheck.data.images import ImageData
from oraclecheck.engines.callbacks import History, Pruning
from oraclecheck.engines.evaluation import Evaluation
from oraclecheck.engines.recipe import Recipe
from oraclecheck.engines.trainer import TrainerSettings, fit


@dataclass(frozen=True)
class Retraining:
    """A retrained network and what was measured on the way; a record's metrics come from here.

    Attributes:
        network: The retrained network, on the CPU.
        pruned_train: The network after pruning, before retraining, on the training set.
        pruned_test: The same on the test set.
        final_train: The network after the last epoch, on the training set.
        final_test: The same on the test set.
        history: See `History.epochs`.
        diverged: Whether any loss was NaN or infinite.
        seconds: Wall time of `prune` (with its evaluation), `retrain` (with the test set after each epoch) and `total`.
    """

    network: nn.Module
    pruned_train: Evaluation
    pruned_test: Evaluation
    final_train: Evaluation
    final_test: Evaluation
    history: list[dict[str, float]]
    diverged: bool
    seconds: dict[str, float]


def retrain(
    dense: nn.Module,
    prune: Callable[[nn.Module], nn.Module],
    data: ImageData,
    recipe: Recipe,
    seed: int,
    settings: TrainerSettings,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> Retraining:
    """Prune a dense network and retrain the result.

    Args:
        dense: The dense network; it is not changed.
        prune: Gives the pruned copy of it.
        data: What it is trained and measured on, on the device of `settings`.
        recipe: The retraining recipe, already scaled.
        seed: Decides the order of the training images and whatever else is random.
        settings: Device, precision, threads.
        on_epoch: Called with each epoch's entry of the history.
    """
    start = time.perf_counter()
    pruning, history = Pruning(prune, data), History(data, on_epoch)
    network = fit(dense, data.train, recipe, seed, settings, [pruning, history])
    assert pruning.train and pruning.test and history.train and history.test
    evaluations = (pruning.train, pruning.test, history.train, history.test)
    seconds = {"prune": pruning.seconds, "retrain": history.seconds, "total": time.perf_counter() - start}
    diverged = history.diverged or any(evaluation.diverged for evaluation in evaluations)
    return Retraining(network, *evaluations, history.epochs, diverged, seconds)
