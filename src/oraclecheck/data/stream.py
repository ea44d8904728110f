"""Images that are decoded whenever they are needed, by worker processes of torch's DataLoader."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import repeat
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from oraclecheck.data.augmentation import NO_AUGMENTATION, Augmentation, Draws
from oraclecheck.data.images import Batches, LabelledImages, normalise
from oraclecheck.errors import tell

Sample = tuple[int, int | None]
"""Index of an image and the seed of its random crop, None for its centre."""


@dataclass(frozen=True)
class Reading:
    """From a file to a tensor (channels, size, size), uint8.

    Args:
        channels: 1 for grey, 3 for RGB.
        size: Side of the tensor.
        shorter_side: What the image's shorter side is scaled to before its centre is cut out.
    """

    channels: int
    size: int
    shorter_side: int

    @cached_property
    def _centre(self) -> Any:
        from torchvision.transforms import v2

        return v2.Compose([v2.Resize(self.shorter_side), v2.CenterCrop(self.size), v2.PILToTensor()])

    @cached_property
    def _random(self) -> Any:
        from torchvision.transforms import v2

        return v2.Compose([v2.RandomResizedCrop(self.size), v2.PILToTensor()])

    def __call__(self, path: str, seed: int | None) -> Tensor:
        """The image of a file.

        Raises:
            ValueError: If it cannot be decoded.
        """
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


@dataclass(frozen=True)
class ImageFiles(Dataset[Tensor]):
    """Image files, read in batches.

    Args:
        root: Folder of the files.
        names: Their paths below it.
        reading: How each becomes a tensor.
    """

    root: str
    names: Sequence[str]
    reading: Reading

    def __len__(self) -> int:
        return len(self.names)

    def __getitems__(self, samples: Sequence[Sample]) -> Tensor | ValueError:
        """A batch (n, channels, size, size), uint8, or what is wrong: a worker's exception would lose its sentence."""
        try:
            return torch.stack(
                [self.reading(os.path.join(self.root, self.names[index]), seed) for index, seed in samples]
            )
        except ValueError as error:
            return error

    def batches(self, samples: Iterable[Sequence[Sample]], workers: int, pin_memory: bool = False) -> Iterator[Tensor]:
        """Batch after batch, decoded ahead by worker processes.

        Args:
            samples: The images of each batch.
            workers: See `seeded_loader`.
            pin_memory: See `seeded_loader`.

        Raises:
            ValueError: If an image cannot be decoded.
        """
        loader = seeded_loader(self, samples, _as_it_is, workers, pin_memory)
        for batch in loader:
            if isinstance(batch, ValueError):
                raise batch
            yield batch

    def decode(self, workers: int, size: int = 500) -> Tensor:
        """All images as one tensor, without augmentation."""
        everything: list[Sample] = [(index, None) for index in range(len(self))]
        batches = [everything[start : start + size] for start in range(0, len(self), size)]
        decoded = torch.empty(len(self), self.reading.channels, self.reading.size, self.reading.size, dtype=torch.uint8)
        for place, batch in zip(decoded.split(size), self.batches(batches, workers), strict=True):
            place.copy_(batch)
        return decoded


def seeded_loader(
    dataset: Dataset[Any],
    samples: Iterable[Sequence[Any]],
    collate: Callable[[Any], Any] | None,
    workers: int,
    pin_memory: bool,
    **options: Any,
) -> DataLoader[Any]:
    """A loader of batches that are named beforehand; it draws nothing from the generator that networks draw from.

    Args:
        dataset: What is loaded.
        samples: What each batch asks for.
        collate: Makes a batch of them.
        workers: Most processes, of which no more than there are cores; 0 for this one.
        pin_memory: Whether batches are put where a GPU fetches them faster.
        **options: Others of torch's.
    """
    workers = min(workers, os.cpu_count() or 1)
    return DataLoader(
        dataset,
        batch_sampler=samples,  # type: ignore[arg-type]
        collate_fn=collate,
        num_workers=workers,
        pin_memory=pin_memory,
        generator=torch.Generator(),
        multiprocessing_context="fork" if workers and sys.platform == "linux" else None,
        **options,
    )


def _as_it_is(batch: Any) -> Any:
    return batch


@dataclass(frozen=True)
class StreamedSet(LabelledImages):
    """Images in files, with their labels; gives the batches that an `ImageSet` of the decoded images would give.

    Args:
        files: The images.
        labels: Shape (n,), int64, on the CPU.
        mean: Normalisation, one number for each channel.
        std: See `mean`.
        channels_last: Memory layout of the batches.
        augmentation: What happens to training batches.
        augmented_evaluation: Whether batches for evaluation are augmented too, always with the same draws.
        workers: Processes that decode; they never change what batches hold.
        device: Where batches lie.
    """

    files: ImageFiles
    labels: Tensor
    mean: tuple[float, ...]
    std: tuple[float, ...]
    channels_last: bool = False
    augmentation: Augmentation = NO_AUGMENTATION
    augmented_evaluation: bool = False
    workers: int = 0
    device: torch.device = torch.device("cpu")  # noqa: RUF009  an immutable value

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """Channels, height and width of an image."""
        reading = self.files.reading
        return (reading.channels, reading.size, reading.size)

    def to(self, device: torch.device) -> "StreamedSet":
        """The same set, its batches on another device."""
        return replace(self, device=device)

    def subset(self, indices: Tensor) -> "StreamedSet":
        """The images of these indices, in their order."""
        names = [self.files.names[index] for index in indices.tolist()]
        return replace(self, files=replace(self.files, names=names), labels=self.labels[indices])

    def one_pass(self, size: int, order: Tensor | None, draws: Draws | None) -> Batches:
        """Normalised batches in the given or stored order, augmented by draws in that order if there are any."""
        indices = (torch.arange(len(self)) if order is None else order).split(size)
        seeds = draws.seeds.split(size) if draws and draws.seeds is not None else repeat(None)
        samples = (
            list(zip(here.tolist(), repeat(None) if seed is None else seed.tolist(), strict=False))
            for here, seed in zip(indices, seeds, strict=False)
        )
        stored = self.files.batches(samples, self.workers, pin_memory=self.device.type == "cuda")
        drawn = draws.to(self.device).split(size) if draws else repeat(None)
        for images, here, drawn_here in zip(stored, indices, drawn, strict=False):
            images = images.to(self.device, non_blocking=True)
            if drawn_here:
                images = self.augmentation.apply(images, drawn_here)
            labels = self.labels[here].to(self.device, non_blocking=True)
            yield normalise(images, self.mean, self.std, self.channels_last), labels
