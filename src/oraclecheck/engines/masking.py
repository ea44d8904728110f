"""Keeps removed weights at zero while a network is trained."""

from typing import Any

import lightning as L

from oraclecheck.pruning.masks.network import hold, hold_gradients, masked_weights


class Masking(L.Callback):
    """Sets the gradients of masked weights to 0 before a step and the weights after it, if the network has masks.

    Lightning calls `on_before_optimizer_step` when gradients are complete and unscaled, and clips them after it. So
    neither their norm nor the optimizer's moments know of removed weights: the others are trained as if these were not
    there. Whatever the optimizer still does to them is undone after the step, bit for bit.
    """

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Find the masks, which are on the network's device by now."""
        self._masked = masked_weights(pl_module.network)

    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: Any, optimizer: Any) -> None:
        """Let neither clipping nor moments see what removed weights would do."""
        hold_gradients(self._masked)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: Any, *_: Any) -> None:
        """Let nothing be left of what the optimizer did to removed weights."""
        hold(self._masked)
