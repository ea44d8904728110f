"""Images that are decoded whenever they are needed, by worker processes of torch's DataLoader."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import repeat
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset, default_convert

from oraclecheck.data.augmentation import Draws
from oraclecheck.data.images import Batches, LabelledImages, normalise
from oraclecheck.errors import tell

Sample = tuple[int, int | None]
"""Index of an image and the seed of its random crop, None for its centre."""


@dataclass(frozen=True)
class ImageFiles(Dataset[Tensor]):
    """Image files, read in batches of tensors (n, channels, size, size), uint8.

    Args:
        root: Folder of the files.
        names: Their paths below it.
        channels: 1 for grey, 3 for RGB.
        size: Side of the tensors.
        shorter_side: What an image's shorter side is scaled to before its centre is cut out.
    """

    root: str
    names: Sequence[str]
    channels: int
    size: int
    shorter_side: int

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def _centre(self) -> Any:
        from torchvision.transforms import v2

        return v2.Compose([v2.Resize(self.shorter_side), v2.CenterCrop(self.size), v2.PILToTensor()])

    @cached_property
    def _random(self) -> Any:
        from torchvision.transforms import v2

        return v2.Compose([v2.RandomResizedCrop(self.size), v2.PILToTensor()])

    def _read(self, index: int, seed: int | None) -> Tensor:
        path = os.path.join(self.root, self.names[index])
        try:
            with Image.open(path) as file:
                image = file.convert("L" if self.channels == 1 else "RGB")
        except Exception as error:  # PIL raises many kinds
            raise ValueError(
                f"data.train and data.test must hold readable images; {path} is none: {tell(error)}"
            ) from None
        if seed is None:
            return self._centre(image)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # torchvision's transforms know no other generator
            return self._random(image)

    def __getitems__(self, samples: Sequence[Sample]) -> Tensor | ValueError:
        """A batch, or what is wrong: a worker's exception would lose its sentence."""
        try:
            return torch.stack([self._read(*sample) for sample in samples])
        except ValueError as error:
            return error

    def batches(self, samples: Iterable[Sample], size: int, workers: int, device: torch.device) -> Iterator[Tensor]:
        """Batches of `size` images on the CPU, decoded ahead by worker processes; see `seeded_loader`.

        Raises:
            ValueError: If an image cannot be decoded.
        """
        for batch in seeded_loader(self, samples, size, workers, device, collate_fn=default_convert):
            if isinstance(batch, ValueError):
                raise batch
            yield batch

    def decode(self, workers: int, size: int = 500) -> Tensor:
        """All images as one tensor, without augmentation."""
        samples = zip(range(len(self)), repeat(None), strict=False)
        decoded = torch.empty(len(self), self.channels, self.size, self.size, dtype=torch.uint8)
        batches = self.batches(samples, size, workers, decoded.device)
        for place, batch in zip(decoded.split(size), batches, strict=True):
            place.copy_(batch)
        return decoded


def seeded_loader(
    dataset: Dataset[Any], samples: Iterable[Any], size: int, workers: int, device: torch.device, **options: Any
) -> DataLoader[Any]:
    """A loader of samples that are named beforehand; it draws nothing from the generator that networks draw from.

    Args:
        dataset: What is loaded.
        samples: What is asked for, in its order.
        size: Samples of a batch.
        workers: Most processes, of which no more than there are cores; 0 for this one.
        device: Where batches go then: they are put where a GPU fetches them faster.
        **options: Others of torch's.
    """
    workers = min(workers, os.cpu_count() or 1)
    return DataLoader(
        dataset,
        batch_sampler=BatchSampler(samples, size, drop_last=False),
        num_workers=workers,
        pin_memory=device.type == "cuda",
        generator=torch.Generator(),
        multiprocessing_context="fork" if workers and sys.platform == "linux" else None,
        **options,
    )


@dataclass(frozen=True)
class StreamedSet(LabelledImages):
    """Images in files, with their labels; gives the batches that an `ImageSet` of the decoded images would give.

    Args:
        files: The images.
        labels: Shape (n,), int64, on the CPU.
        mean: Normalisation, one number for each channel.
        std: See `mean`.
        workers: Processes that decode; they never change what batches hold.
    """

    files: ImageFiles
    labels: Tensor
    mean: tuple[float, ...]
    std: tuple[float, ...]
    workers: int = 0

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width of an image."""
        return (self.files.channels, self.files.size, self.files.size)

    def subset(self, indices: Tensor) -> "StreamedSet":
        """The images of these indices, in their order."""
        names = [self.files.names[index] for index in indices.tolist()]
        return replace(self, files=replace(self.files, names=names), labels=self.labels[indices])

    def one_pass(self, size: int, order: Tensor | None, draws: Draws | None) -> Batches:
        """See `LabelledImages`."""
        indices = torch.arange(len(self)) if order is None else order
        seeds = draws.seeds.tolist() if draws and draws.seeds is not None else repeat(None)
        samples = zip(indices.tolist(), seeds, strict=False)
        stored = self.files.batches(samples, size, self.workers, self.device)
        drawn = draws.split(size, self.device) if draws else repeat(None)
        for images, here, drawn_here in zip(stored, indices.split(size), drawn, strict=False):
            images = images.to(self.device, non_blocking=True)
            if drawn_here:
                images = self.augmentation.apply(images, drawn_here)
            labels = self.labels[here].to(self.device, non_blocking=True)
            yield normalise(images, self.mean, self.std, self.channels_last), labels
