"""Labelled images as tensors in memory: the quickest loader is an index into a tensor."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import repeat

import torch
from torch import Tensor

from oraclecheck.data.augmentation import NO_AUGMENTATION, Augmentation, Draws

EVALUATION_SEED = 0  # every network of every study is measured on the same augmented images


@dataclass(frozen=True)
class ImageSet:
    """Images (n, channels, height, width), uint8, with labels (n,), int64, and how batches are made of them.

    uint8 keeps a worker on MNIST below 1 GB; normalising a batch costs well under 1 % of a training step.

    Args:
        images: See above.
        labels: See above.
        mean: Normalisation, one number for each channel.
        std: See `mean`.
        channels_last: Memory layout of the batches.
        augmentation: What happens to training batches.
        augmented_evaluation: Whether batches for evaluation are augmented too, always with the same draws.
    """

    images: Tensor
    labels: Tensor
    mean: tuple[float, ...]
    std: tuple[float, ...]
    channels_last: bool = False
    augmentation: Augmentation = NO_AUGMENTATION
    augmented_evaluation: bool = False

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def device(self) -> torch.device:
        """Where batches lie."""
        return self.labels.device

    def to(self, device: torch.device) -> "ImageSet":
        """The same set on another device; itself if it is there already."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))

    def normalise(self, images: Tensor) -> Tensor:
        """Float images as torchvision's ToTensor and Normalize give them, bit for bit."""
        shape = (1, -1, 1, 1)
        mean = torch.tensor(self.mean, device=images.device).view(shape)
        std = torch.tensor(self.std, device=images.device).view(shape)
        normalised = images.float().div_(255).sub_(mean).div_(std)
        return normalised.contiguous(memory_format=torch.channels_last) if self.channels_last else normalised

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Normalised batches in the stored order, for evaluation."""
        draws = None
        if self.augmented_evaluation:
            draws = self.augmentation.draw(len(self), torch.Generator().manual_seed(EVALUATION_SEED))
        parts = zip(
            self.images.split(size), self.labels.split(size), split_draws(draws, size, self.device), strict=False
        )
        for images, labels, drawn in parts:
            yield self.normalise(images if drawn is None else self.augmentation.apply(images, drawn)), labels

    def shuffled(self, size: int, seed: int) -> "ShuffledBatches":
        """Normalised, augmented batches for training."""
        return ShuffledBatches(self, size, seed)


def split_draws(draws: Draws | None, size: int, device: torch.device) -> Iterator[Draws | None]:
    """The draws of one batch after the other, without end where there are none."""
    if draws is None:
        return repeat(None)
    parts = (part.split(size) for part in draws.to(device))
    return (Draws(*part) for part in zip(*parts, strict=True))


@dataclass(frozen=True)
class ImageData:
    """A training and a test set.

    Args:
        train: What networks are trained on.
        test: What they are tested on.
        train_eval: What training-set metrics are measured on; None for `train`.
    """

    train: ImageSet
    test: ImageSet
    train_eval: ImageSet | None = None

    @property
    def measured_train(self) -> ImageSet:
        """What training-set metrics, the pruned train loss among them, are measured on."""
        return self.train if self.train_eval is None else self.train_eval

    def to(self, device: torch.device) -> "ImageData":
        """The same data on another device; itself if it is there already."""
        if self.train.device == device:
            return self
        train_eval = self.train_eval and self.train_eval.to(device)
        return ImageData(self.train.to(device), self.test.to(device), train_eval)


class ShuffledBatches:
    """Training batches in an order, and with augmentations, drawn anew each epoch from a generator of their own.

    Args:
        images: The training set.
        size: Images per batch; the last batch of an epoch may be smaller.
        seed: Seeds the order and augmentations of all epochs; nothing else touches it.
    """

    def __init__(self, images: ImageSet, size: int, seed: int) -> None:
        self.images, self.size = images, size
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return -(-len(self.images) // self.size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        stored, augmentation = self.images, self.images.augmentation
        order = torch.randperm(len(stored), generator=self.generator).to(stored.device)
        draws = augmentation.draw(len(stored), self.generator) if augmentation else None
        for indices, drawn in zip(order.split(self.size), split_draws(draws, self.size, stored.device), strict=False):
            images = stored.images.index_select(0, indices)
            if drawn is not None:
                images = augmentation.apply(images, drawn)
            yield stored.normalise(images), stored.labels.index_select(0, indices)
