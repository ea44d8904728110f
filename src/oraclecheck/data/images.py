"""Labelled images as tensors in memory: the quickest loader is an index into a tensor."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class ImageSet:
    """Images (n, channels, height, width), uint8, with labels (n,), int64, and how batches are made of them.

    uint8 keeps a worker on MNIST below 1 GB; normalising a batch costs well under 1 % of a training step.
    """

    images: Tensor
    labels: Tensor
    mean: tuple[float, ...]
    std: tuple[float, ...]
    channels_last: bool = False

    def __len__(self) -> int:
        return len(self.labels)

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
        for images, labels in zip(self.images.split(size), self.labels.split(size), strict=True):
            yield self.normalise(images), labels


@dataclass(frozen=True)
class ImageData:
    """A training and a test set."""

    train: ImageSet
    test: ImageSet

    def to(self, device: torch.device) -> "ImageData":
        """The same data on another device; itself if it is there already."""
        if self.train.images.device == device:
            return self
        return replace(self, train=self.train.to(device), test=self.test.to(device))


class ShuffledBatches:
    """Training batches in an order drawn anew each epoch from a generator of their own.

    Args:
        images: The training set.
        size: Images per batch; the last batch of an epoch may be smaller.
        seed: Seeds the order of all epochs; nothing else touches it.
    """

    def __init__(self, images: ImageSet, size: int, seed: int) -> None:
        self.images, self.size = images, size
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return -(-len(self.images) // self.size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(self.images), generator=self.generator).to(self.images.images.device)
        for indices in order.split(self.size):
            images = self.images.images.index_select(0, indices)
            yield self.images.normalise(images), self.images.labels.index_select(0, indices)
