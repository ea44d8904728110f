"""Callbacks for a `Classifier`: pruning at the start of a fit, and the history of its epochs."""

import math
import time
from collections.abc import Callable, Collection
from typing import Any

import lightning as L
from torch import Tensor, nn

from oraclecheck.data.images import ImageData
from oraclecheck.engines.compiling import compiled_twin, copy_state, switch
from oraclecheck.engines.evaluation import Evaluation, evaluate
from oraclecheck.pruning.combination import Removed


class Pruning(L.Callback):
    """Replaces the module's network by its pruned copy before the optimizer exists, then measures it once.

    Lightning builds optimizers between `setup("fit")` and `on_fit_start`; pruned any later, the optimizer would hold
    the dense network's parameters. `setup("validate")` and `setup("test")` never prune.

    Args:
        prune: Gives the pruned copy of a dense network.
        removed: The combination: layer -> its removed filters.
        data: What the pruned network is measured on, before any retraining.
        on_pruned: Called with what was measured, as a record has it.

    Attributes:
        train: The pruned network on the training set; its loss is the *pruned train loss*, the oracle's score.
        test: The pruned network on the test set.
        seconds: Wall time of pruning and measuring.
    """

    def __init__(
        self,
        prune: Callable[[nn.Module, Removed], nn.Module],
        removed: Removed,
        data: ImageData,
        on_pruned: Callable[[dict[str, float]], None] | None = None,
    ) -> None:
        self.prune, self.removed, self.data, self.on_pruned = prune, removed, data, on_pruned
        self.train: Evaluation | None = None
        self.test: Evaluation | None = None
        self.seconds = 0.0
        self._pruned = False

    def setup(self, trainer: L.Trainer, pl_module: Any, stage: str) -> None:
        """Prune, once."""
        if stage != "fit" or self._pruned:
            return
        start = time.perf_counter()
        pl_module.network = self.prune(pl_module.network, self.removed)
        self._pruned = True
        self.seconds += time.perf_counter() - start

    def on_fit_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Measure the pruned network."""
        if self.train is not None:
            return
        start = time.perf_counter()
        self.train = evaluate(pl_module.network, self.data.measured_train)
        self.test = evaluate(pl_module.network, self.data.test)
        self.seconds += time.perf_counter() - start
        if self.on_pruned:
            self.on_pruned({**self.train.columns("pruned_train"), **self.test.columns("pruned_test")})


class Compiling(L.Callback):
    """Trains a compiled twin in the place of the module's network, which gets what came of it at the end."""

    def setup(self, trainer: L.Trainer, pl_module: Any, stage: str) -> None:
        """Put the twin in the network's place, pruned by now, before the optimizer exists."""
        self._network = pl_module.network
        self._twin, self._compiled = compiled_twin(self._network)
        pl_module.network = self._twin

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Compute by what is compiled; what was measured until now was not."""
        switch(self._twin, self._compiled)

    def on_train_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Give the network what the twin has learned, for the twin will learn something else."""
        switch(self._twin, None)
        copy_state(self._twin, self._network)
        pl_module.network = self._network


class History(L.Callback):
    """Test loss and accuracy after every epoch; ends a fit whose loss has become NaN or infinite.

    Args:
        data: The test set is evaluated after every epoch, the training set after the last.
        on_epoch: Called with each epoch's numbers, for a progress line or a live mirror.

    Attributes:
        epochs: One entry an epoch: `epoch` (0-based), `lr`, `train_loss` (mean of the batch losses while training),
            `test_loss`, `test_accuracy`.
        train: The network on the training set after the last epoch.
        test: The network on the test set after the last epoch.
        diverged: Whether a loss became NaN or infinite.
        seconds: Wall time of the epochs, the evaluations between them included.
    """

    def __init__(self, data: ImageData, on_epoch: Callable[[dict[str, float]], None] | None = None) -> None:
        self.data, self.on_epoch = data, on_epoch
        self.epochs: list[dict[str, float]] = []
        self.train: Evaluation | None = None
        self.test: Evaluation | None = None
        self.diverged = False
        self.seconds = 0.0
        self._start = 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Start the clock."""
        self._start = time.perf_counter()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Evaluate on the test set."""
        epoch = trainer.current_epoch
        self.test = evaluate(pl_module.network, self.data.test)
        entry = {
            "epoch": epoch,
            "lr": pl_module.recipe.rate(epoch),
            "train_loss": pl_module.take_epoch_loss(),
            "test_loss": self.test.loss,
            "test_accuracy": self.test.accuracy,
        }
        self.epochs.append(entry)
        self.seconds = time.perf_counter() - self._start
        if self.on_epoch:
            self.on_epoch(entry)
        if not math.isfinite(entry["train_loss"]) or self.test.diverged:
            self.diverged = True
            trainer.should_stop = True

    def on_train_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Evaluate on the training set, while the network is still on its device."""
        self.train = evaluate(pl_module.network, self.data.measured_train)


class Keeping(L.Callback):
    """Keeps the network as it is after some epochs of a fit, and ends it after the last of them.

    Args:
        epochs: How many epochs each of the kept networks has been trained for.
        on_kept: Called with each of these numbers and the network's state dict, on the CPU.
    """

    def __init__(self, epochs: Collection[int], on_kept: Callable[[int, dict[str, Tensor]], None]) -> None:
        self.epochs, self.on_kept = epochs, on_kept

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Hand the network over."""
        done = trainer.current_epoch + 1
        if done in self.epochs and not trainer.should_stop:  # a loss that is not finite ends a fit
            state = pl_module.network.state_dict()
            self.on_kept(done, {name: tensor.detach().cpu().clone() for name, tensor in state.items()})
        if done == max(self.epochs):
            trainer.should_stop = True
