"""The LightningModule that trains a network, dense or pruned."""

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from oraclecheck.engines.mixing import Mixing
from oraclecheck.engines.recipe import Recipe
from oraclecheck.seeds import derive_seed


class Classifier(L.LightningModule):
    """A network, its cross-entropy loss and its recipe.

    Args:
        network: What is trained; a callback may replace it at `setup("fit")`, before the optimizer is built.
        recipe: How it is trained.
        seed: Decides how images are mixed, if the recipe mixes them.
    """

    def __init__(self, network: nn.Module, recipe: Recipe, seed: int = 0) -> None:
        super().__init__()
        self.network = network
        self.recipe = recipe
        self.mixing = Mixing(recipe, derive_seed(seed, "mixing"))
        self._loss_sum: Tensor
        # One tensor for a whole fit: small ones kept alive between large activations would fragment the heap.
        self.register_buffer("_loss_sum", torch.zeros(()), persistent=False)
        self._steps = 0

    def forward(self, images: Tensor) -> Tensor:
        """Logits."""
        return self.network(images)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        """Mean cross-entropy of a batch, with the recipe's mixing and label smoothing."""
        images, labels = batch
        if self.mixing:
            images, share = self.mixing(images)
            logits = self.network(images)
            # the cross-entropy is linear in the targets, so this is that of the mixed targets
            loss = share * self._loss(logits, labels) + (1 - share) * self._loss(logits, labels.roll(1))
        else:
            loss = self._loss(self.network(images), labels)
        self._loss_sum += loss.detach()
        self._steps += 1
        return loss

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(logits, labels, label_smoothing=self.recipe.label_smoothing)

    def take_epoch_loss(self) -> float:
        """Mean of the batch losses since the last call; non-finite as soon as one of them is."""
        mean = self._loss_sum.item() / self._steps
        self._loss_sum.zero_()
        self._steps = 0
        return mean

    def configure_optimizers(self):
        """The optimizer as the papers use it, its rate set at each epoch's start."""
        recipe, parameters = self.recipe, self.network.parameters()
        optimizer: torch.optim.Optimizer
        if recipe.optimizer == "adamw":
            betas = (recipe.momentum, 0.999)
            optimizer = torch.optim.AdamW(parameters, lr=1.0, betas=betas, weight_decay=recipe.weight_decay)
        else:
            optimizer = torch.optim.SGD(parameters, lr=1.0, momentum=recipe.momentum, weight_decay=recipe.weight_decay)
        return [optimizer], [torch.optim.lr_scheduler.LambdaLR(optimizer, recipe.rate)]
