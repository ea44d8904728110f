"""The LightningModule that trains a network, dense or pruned."""

from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

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
        self._mixing = Mixing(recipe, derive_seed(seed, "mixing"))
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
        if self._mixing:
            images, share = self._mixing(images)
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


class Mixing:
    """Mixes each image of a batch with the one before it, by mixup or cutmix, each as likely if both are wanted.

    Mixup is Zhang et al.'s (arXiv 1710.09412), cutmix Yun et al.'s (arXiv 1905.04899), both torchvision's.

    Args:
        recipe: Says which of the two, and their alphas.
        seed: Decides all that is random, on every device the same.
    """

    def __init__(self, recipe: Recipe, seed: int) -> None:
        from torchvision.transforms import v2

        ways: list[Any] = [v2.MixUp(alpha=recipe.mixup)] if recipe.mixup else []
        ways += [v2.CutMix(alpha=recipe.cutmix)] if recipe.cutmix else []
        self._mix = v2.RandomChoice(ways) if ways else None
        self._generator = torch.Generator().manual_seed(seed)

    def __bool__(self) -> bool:
        return self._mix is not None

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """A mixed batch, and the share in [0, 1] that each image keeps; the rest is its predecessor's, cyclically.

        Args:
            images: Normalised, shape (n, channels, height, width).
        """
        assert self._mix is not None
        seed = int(torch.randint(0, 2**62, (), generator=self._generator))
        marker = torch.zeros(len(images), 1, device=images.device)  # what torchvision takes for soft labels
        marker[0] = 1
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # torchvision's transforms know no other generator
            mixed, shares = self._mix(images, marker)
        return mixed, shares[0, 0]
