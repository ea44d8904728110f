"""The LightningModule that trains a language model to answer, whole or pruned."""

from typing import Any

from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from oraclecheck.engines.classifier import Classifier
from oraclecheck.engines.recipe import BY_STEP, Recipe
from oraclecheck.multimodal.questions import Questions


class Answerer(Classifier):
    """A language model, the cross-entropy of its answers' tokens and its recipe.

    In a rank it is sharded, and sees its own parts of a batch.

    Args:
        network: See `Classifier`.
        recipe: How it is trained.
        seed: See `Classifier`.
        checkpointing: Whether blocks are computed again in the backward pass, which saves their activations.
    """

    def __init__(self, network: nn.Module, recipe: Recipe, seed: int = 0, checkpointing: bool = False) -> None:
        super().__init__(network, recipe, seed)
        self._checkpointing = checkpointing

    def configure_model(self) -> None:
        """Prepare the network for training, pruned by now."""
        network: Any = self.network
        if self._checkpointing:
            network.activation_checkpointing_enable()
        if self.device_mesh is not None:
            from oraclecheck.engines.sharded.shards import shard  # FSDP takes half a second to import

            shard(network, self.device_mesh["data_parallel"])

    def training_step(self, batch: tuple[Questions, Tensor, float], batch_index: int) -> Tensor:  # type: ignore[override]
        """Mean cross-entropy over the answers' tokens of a part of a batch, times what the part counts."""
        questions, labels, share = batch
        logits = self.network(questions)
        # a mean over no tokens is NaN; ranks compute gradients all the same
        loss = (self._loss(logits, labels) if len(labels) else logits.sum()) * share
        self._loss_sum += loss.detach()
        self._steps += 1
        return loss

    def take_epoch_loss(self) -> float:
        """See `Classifier`; of the parts of all ranks."""
        self._loss_sum.copy_(self.trainer.strategy.reduce(self._loss_sum, reduce_op="mean"))
        times = self.trainer.accumulate_grad_batches
        self._steps = -(-self._steps // times) * times  # parts of a last batch that are not there
        return super().take_epoch_loss()

    def configure_optimizers(self):
        """As a classifier's, of the parameters that are trained at all; its rate may be set at each step."""
        optimizers, schedules = super().configure_optimizers()
        for group in optimizers[0].param_groups:
            group["params"] = [parameter for parameter in group["params"] if parameter.requires_grad]
        if self.recipe.decay != BY_STEP:
            return optimizers, schedules
        steps = self.trainer.estimated_stepping_batches / self.recipe.epochs  # of an epoch; it is no estimate here
        schedule = LambdaLR(optimizers[0], lambda step: self.recipe.rate(step / steps))
        return optimizers, [{"scheduler": schedule, "interval": "step"}]

    def on_fit_end(self) -> None:
        """Leave the network as one that is only asked."""
        network: Any = self.network
        if self._checkpointing:
            network.activation_checkpointing_disable()
