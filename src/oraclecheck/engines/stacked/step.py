"""One step of training for every network of a stack, on images that are all on the device."""

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from oraclecheck.data.augmentation import Draws
from oraclecheck.data.images import ImageSet, normalise
from oraclecheck.engines.arithmetic import float32_arithmetic
from oraclecheck.engines.mixing import Mixing
from oraclecheck.engines.recipe import Recipe
from oraclecheck.engines.stacked.bfloat16 import bfloat16
from oraclecheck.engines.stacked.capture import Captured
from oraclecheck.engines.stacked.optimizer import Optimizer, clip
from oraclecheck.engines.stacked.stack import Stack
from oraclecheck.engines.trainer import TF32
from oraclecheck.seeds import derive_seed

Drawn = tuple[Tensor, Draws | None]
"""An epoch of a network: the order of its images, and what happens to them."""


class Step:
    """Trains the networks of a stack, each on images in an order and with augmentations of its own.

    On a GPU a step is captured when this is made, then repeated for whatever networks are loaded.

    Args:
        network: One of the networks.
        networks: How many are trained at once.
        images: The training set.
        recipe: How they are trained.
        precision: "32-true", "tf32" or "bf16-mixed"; see `TrainerSettings`.

    Attributes:
        stack: The networks.
    """

    def __init__(self, network: nn.Module, networks: int, images: ImageSet, recipe: Recipe, precision: str) -> None:
        device, n = images.device, len(images)
        self.stack = Stack(network, networks, device)
        self._images, self._recipe, self._precision = images, recipe, precision
        self._optimizer = Optimizer(recipe, self.stack.trained)
        self._taken = 0  # steps since the networks were loaded
        size, rest = min(recipe.batch_size, n), n % min(recipe.batch_size, n)
        self._batches = [size] * (n // size) + [rest] * bool(rest)
        # What the steps of an epoch read and write; it stays where it is, as a captured step asks.
        self._number = torch.zeros(1, dtype=torch.int64, device=device)
        self._order = torch.zeros(networks, n, dtype=torch.int64, device=device)
        self._corners = torch.zeros(networks, n, 2, dtype=torch.int64, device=device)
        self._flips = torch.zeros(networks, n, dtype=torch.bool, device=device)
        self._sizes = torch.zeros(len(self._batches), 3, dtype=self.stack.dtype, device=device)
        self._losses = torch.zeros(networks, device=device)
        self._mixing: list[Mixing] = []
        self._mixed: dict[int, list[Tensor]] = {}  # by the batch's size
        self.load([network] * networks, [0] * networks)
        self._steps: dict[int, Captured] = {}
        for each in dict.fromkeys(self._batches):
            self._number.zero_()
            self._mix(each)
            with float32_arithmetic(tf32=self._precision == TF32):
                work, before = partial(self._train, each), next(iter(self._steps.values()), None)
                self._steps[each] = Captured(work, device, self._number.zero_, before)

    def serves(self, network: nn.Module, networks: int, images: ImageSet, recipe: Recipe, precision: str) -> bool:
        """Whether one that was made of these would be the same."""
        same = self._images is images and (self._recipe, self._precision) == (recipe, precision)
        return same and self.stack.size == networks and self.stack.fits(network)

    def load(self, networks: Sequence[nn.Module], seeds: Sequence[int]) -> None:
        """Begin with other networks.

        Args:
            networks: As many as are trained at once.
            seeds: Of their runs.
        """
        self.stack.load(networks)
        self._optimizer.reset()
        self._taken = 0
        if self._recipe.mixup or self._recipe.cutmix:
            self._mixing = [Mixing(self._recipe, derive_seed(seed, "mixing")) for seed in seeds]

    def epoch(self, drawn: Sequence[Drawn], rate: float) -> None:
        """Begin an epoch and take its steps; a GPU goes on with them when this returns.

        Args:
            drawn: For each network, what `ShuffledBatches.draw` gave.
            rate: Learning rate.
        """
        for place, (order, draws) in enumerate(drawn):
            self._order[place].copy_(order)
            if draws is not None:
                self._corners[place].copy_(draws.corners)
                self._flips[place].copy_(draws.flips)
        self._sizes.copy_(self._optimizer.sizes(rate, self._taken, len(self._batches)))
        self._number.zero_()
        self._losses.zero_()
        with float32_arithmetic(tf32=self._precision == TF32):
            for size in self._batches:
                self._mix(size)
                self._steps[size]()
        self._taken += len(self._batches)

    def losses(self) -> list[float]:
        """Mean of the epoch's batch losses, of each network; non-finite as soon as one of them is."""
        return [loss / len(self._batches) for loss in self._losses.tolist()]

    def _train(self, size: int) -> None:
        """Take one step on the next batch, of this size."""
        images, labels, shares = self._mixed[size] if self._mixing else (*self._batch(size), None)
        mixed = self._precision == "bf16-mixed"
        with bfloat16(images.device, stacked=self.stack.size > 1) if mixed else nullcontext():
            logits = self.stack(images)
            losses = self._loss(logits, labels)
            if shares is not None:
                losses = shares * losses + (1 - shares) * self._loss(logits, labels.roll(1, dims=1))
        # each loss knows one network alone, so the gradient of their sum is that of each
        gradients: Sequence[Tensor | None] = torch.autograd.grad(losses.sum(), self.stack.trained, allow_unused=True)
        if self._recipe.gradient_clip is not None:
            gradients = clip(gradients, self._recipe.gradient_clip, self.stack.size)
        self._optimizer.step(gradients, self._sizes.index_select(0, self._number)[0])
        self._losses += losses.detach()
        self._number += 1

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy of a batch, of each network."""
        smoothing = self._recipe.label_smoothing
        each = cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none", label_smoothing=smoothing)
        return each.view(labels.shape).mean(1)

    def _batch(self, size: int) -> tuple[Tensor, Tensor]:
        """The next batch of each network: normalised images, shape (networks, size, ...), and labels."""
        data, device = self._images, self._order.device
        here = self._number * self._batches[0] + torch.arange(size, device=device)
        indices = self._order.index_select(1, here).flatten()
        images = data.images.index_select(0, indices)
        if data.augmentation:
            corners, flips = self._corners.index_select(1, here), self._flips.index_select(1, here)
            images = data.augmentation.apply(images, Draws(corners.flatten(0, 1), flips.flatten()))
        alone = self.stack.size == 1
        images = normalise(images, data.mean, data.std, data.channels_last and alone)
        labels = data.labels.index_select(0, indices)
        return images.unflatten(0, (self.stack.size, size)), labels.view(self.stack.size, size)

    def _mix(self, size: int) -> None:
        """Mix the next batch, if the recipe mixes; chance is asked on the CPU, which no captured step could do."""
        if not self._mixing:
            return
        images, labels = self._batch(size)
        mixed, shares = zip(*(mix(own) for mix, own in zip(self._mixing, images, strict=True)), strict=True)
        found = [torch.stack(mixed), labels, torch.stack(shares)]
        for kept, new in zip(self._mixed.setdefault(size, found), found, strict=True):
            kept.copy_(new)
