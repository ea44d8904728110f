"""Labelled images and the batches that are made of them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import repeat
from typing import Self

import torch
from torch import Tensor

from oraclecheck.data.augmentation import NO_AUGMENTATION, Augmentation, Draws

EVALUATION_SEED = 0

Batches = Iterator[tuple[Tensor, Tensor]]
"""Images, float, (n, channels, height, width), and labels, int64, (n,), on the device of their set."""


@dataclass(frozen=True, kw_only=True)
class LabelledImages(ABC):
    """A training or test set.

    Args:
        channels_last: Memory layout of the batches.
        augmentation: What happens to training batches.
        augmented_evaluation: Whether batches for evaluation are augmented too, always with the same draws.
        device: Where batches lie.
    """

    channels_last: bool = False
    augmentation: Augmentation = NO_AUGMENTATION
    augmented_evaluation: bool = False
    device: torch.device = torch.device("cpu")  # noqa: RUF009  an immutable value

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width of an image."""

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    def labels_in_all(self) -> int:
        """How many labels a pass gives: one for each image, unless an image has several."""
        return len(self)

    @property
    def measured_at_once(self) -> int | None:
        """Images of a batch of an evaluation; None for what their pixels allow."""
        return None

    def to(self, device: torch.device) -> Self:
        """The same set, its batches on another device."""
        return replace(self, device=device)

    @abstractmethod
    def subset(self, indices: Tensor) -> Self:
        """The images of these indices, in their order."""

    @abstractmethod
    def one_pass(self, size: int, order: Tensor | None, draws: Draws | None) -> Batches:
        """Normalised batches in the given or stored order, augmented by draws in that order if there are any."""

    def batches(self, size: int) -> Batches:
        """One pass in the stored order, for evaluation; every network of every study is measured on the same images."""
        generator = torch.Generator().manual_seed(EVALUATION_SEED)
        draws = self.augmentation.draw(len(self), generator) if self.augmented_evaluation else None
        return self.one_pass(size, None, draws)

    def shuffled(self, size: int, seed: int) -> "ShuffledBatches":
        """Passes for training, each with an order and augmentations of its own."""
        return ShuffledBatches(self, size, seed)


@dataclass(frozen=True)
class ImageSet(LabelledImages):
    """Images (n, channels, height, width), uint8, in memory: the quickest loader is an index into a tensor.

    uint8 keeps a worker on MNIST below 1 GB; normalising a batch costs well under 1 % of a training step.

    Args:
        images: See above; on `device`, as are the labels.
        labels: Shape (n,), int64.
        mean: Normalisation, one number for each channel.
        std: See `mean`.
    """

    images: Tensor
    labels: Tensor
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width of an image."""
        return tuple(self.images.shape[1:])

    def to(self, device: torch.device) -> "ImageSet":
        """The same set on another device."""
        return replace(self, device=device, images=self.images.to(device), labels=self.labels.to(device))

    def subset(self, indices: Tensor) -> "ImageSet":
        """The images of these indices, in their order."""
        indices = indices.to(self.device)
        return replace(self, images=self.images[indices], labels=self.labels[indices])

    def one_pass(self, size: int, order: Tensor | None, draws: Draws | None) -> Batches:
        """See `LabelledImages`."""
        if order is None:  # slices need no copy
            selected = zip(self.images.split(size), self.labels.split(size), strict=True)
        else:
            indices = order.to(self.device).split(size)
            selected = ((self.images.index_select(0, i), self.labels.index_select(0, i)) for i in indices)  # type: ignore[assignment]
        drawn = draws.split(size, self.device) if draws else repeat(None)
        for (images, labels), drawn_here in zip(selected, drawn, strict=False):
            augmented = self.augmentation.apply(images, drawn_here) if drawn_here else images
            yield normalise(augmented, self.mean, self.std, self.channels_last), labels


def normalise(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...], channels_last: bool) -> Tensor:
    """Float images as torchvision's ToTensor and Normalize give them, bit for bit."""
    means, stds = _constants(mean, images.device), _constants(std, images.device)
    normalised = images.float().div_(255).sub_(means).div_(stds)
    return normalised.contiguous(memory_format=torch.channels_last) if channels_last else normalised


@lru_cache(maxsize=16)
def _constants(values: tuple[float, ...], device: torch.device) -> Tensor:
    """A number for each channel; a GPU waits for every copy, and takes none while it captures."""
    with torch.inference_mode(False):
        return torch.tensor(values, device=device).view(1, -1, 1, 1)


@dataclass(frozen=True)
class ImageData:
    """A training and a test set.

    Args:
        train: What networks are trained on.
        test: What they are tested on.
        train_eval: What training-set metrics are measured on; None for `train`.
    """

    train: LabelledImages
    test: LabelledImages
    train_eval: LabelledImages | None = None

    @property
    def measured_train(self) -> LabelledImages:
        """What training-set metrics, the pruned train loss among them, are measured on."""
        return self.train if self.train_eval is None else self.train_eval


class ShuffledBatches:
    """Training batches in an order, and with augmentations, drawn anew each epoch from a generator of their own.

    Args:
        images: The training set.
        size: Images per batch; the last batch of an epoch may be smaller.
        seed: Seeds the order and augmentations of all epochs; nothing else touches it.
    """

    def __init__(self, images: LabelledImages, size: int, seed: int) -> None:
        self.images, self.size = images, size
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return -(-len(self.images) // self.size)

    def draw(self) -> tuple[Tensor, Draws | None]:
        """What the next epoch's images are: their indices in order, and what augmentation does to them."""
        n, augmentation = len(self.images), self.images.augmentation
        order = torch.randperm(n, generator=self.generator)
        return order, augmentation.draw(n, self.generator) if augmentation else None

    def __iter__(self) -> Batches:
        yield from self.images.one_pass(self.size, *self.draw())
