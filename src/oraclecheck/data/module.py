"""A LightningDataModule of the user's: its data sets, in an order and with a randomness that a run's seed decides."""

import random
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler, SequentialSampler, Subset

from oraclecheck.data.augmentation import Augmentation, Draws
from oraclecheck.data.images import Batches, LabelledImages
from oraclecheck.data.stream import seeded_loader
from oraclecheck.files import digest


@dataclass(frozen=True)
class ModuleSource:
    """What `data.source` gives if it is a LightningDataModule.

    Its `train_dataloader()` names the training set, its `test_dataloader()`, or `val_dataloader()` if it has none, the
    test set. Their data sets, collate functions and numbers of workers are used; order and batch size are those of the
    recipe, with every image once an epoch. Training-set metrics are measured on the training set as it is: if it
    augments, on augmented images, always the same.

    Args:
        module: The data module.
        target: The class, as the configuration names it.
        arguments: Its arguments, as JSON.
        shape: Channels, height and width of its images.
        classes: Number of classes.
        cache: Folder in which processes agree on who prepares the data.
    """

    module: Any = field(compare=False)
    target: str
    arguments: str
    shape: tuple[int, int, int]
    classes: int
    cache: Path

    def identity(self) -> dict[str, Any]:
        """Class and arguments: that they always mean the same images is the user's responsibility."""
        return {"dataset": "data module", "class": self.target, "arguments": self.arguments}

    def check(self) -> None:
        """Look at a batch of each set.

        Raises:
            ValueError: If the data module's loaders or batches are not what can be used.
        """
        for part, chosen in zip(("train", "test"), self.sets(), strict=True):
            images, labels = next(iter(chosen.batches(2)))
            if tuple(images.shape[1:]) != self.shape:
                raise ValueError(
                    f"model.input_shape must be that of the images of data.source; its {part} set gives "
                    f"{list(images.shape[1:])}, the network takes {list(self.shape)}"
                )
            if labels.min() < 0 or labels.max() >= self.classes:
                raise ValueError(
                    f"data.classes must be above every label; got {self.classes}, and the {part} set of data.source "
                    f"has label {int(labels.max() if labels.min() >= 0 else labels.min())}"
                )

    def sets(self, channels_last: bool = False) -> tuple["ModuleSet", "ModuleSet"]:
        """The training and the test set."""
        train, test = (ModuleSet(loader, self.shape, channels_last=channels_last) for loader in self._loaders)
        return train, test

    @cached_property
    def _loaders(self) -> tuple[DataLoader, DataLoader]:
        test = next((name for name in ("test_dataloader", "val_dataloader") if _is_own(self.module, name)), None)
        if test is None:
            raise ValueError(f"data.source must have a test_dataloader or a val_dataloader; {self.target} has none")
        if _is_own(self.module, "prepare_data"):
            self.cache.mkdir(parents=True, exist_ok=True)
            with FileLock(self.cache / f"{digest([self.target, self.arguments])[:16]}.lock", poll_interval=1.0):
                self.module.prepare_data()
        for stage in ("fit", "test"):
            self.module.setup(stage)
        return _usable(self.module.train_dataloader(), "train_dataloader"), _usable(getattr(self.module, test)(), test)


def is_data_module(source: Any) -> bool:
    """Whether an object is used as a LightningDataModule, of whichever of Lightning's two packages."""
    return callable(getattr(source, "train_dataloader", None))


@dataclass(frozen=True)
class ModuleSet(LabelledImages):
    """The data set behind a loader of a data module, every image of it read under a seed of its own.

    Args:
        loader: Its data set, collate function and number of workers are used.
        shape_of_images: Channels, height and width.
    """

    # a seed for each image, whatever the data set does with it
    augmentation: Augmentation = field(default=Augmentation(resized_crop=True), kw_only=True)
    augmented_evaluation: bool = field(default=True, kw_only=True)

    loader: DataLoader
    shape_of_images: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width of an image."""
        return self.shape_of_images

    def __len__(self) -> int:
        return len(self.loader.dataset)  # type: ignore[arg-type]

    def subset(self, indices: Tensor) -> "ModuleSet":
        """The images of these indices, in their order."""
        loader = self.loader
        chosen = DataLoader(
            Subset(loader.dataset, indices.tolist()),
            num_workers=loader.num_workers,
            collate_fn=loader.collate_fn,
            worker_init_fn=loader.worker_init_fn,
        )
        return replace(self, loader=chosen)

    def one_pass(self, size: int, order: Tensor | None, draws: Draws | None) -> Batches:
        """Batches in the given or stored order, each image read under its seed."""
        assert draws is not None and draws.seeds is not None
        indices = torch.arange(len(self)) if order is None else order
        samples = zip(indices.tolist(), draws.seeds.tolist(), strict=True)
        dataset, workers = _Seeded(self.loader.dataset), self.loader.num_workers
        options = {"collate_fn": self.loader.collate_fn, "worker_init_fn": self.loader.worker_init_fn}
        for batch in seeded_loader(dataset, samples, size, workers, self.device, **options):
            images, labels = _pair(batch)
            images = images.to(self.device, torch.float32, non_blocking=True)
            if self.channels_last:
                images = images.contiguous(memory_format=torch.channels_last)
            yield images, labels.to(self.device, torch.int64, non_blocking=True)


class _Seeded(Dataset[Any]):
    """A data set whose every sample is read under a seed, so that no number of workers changes it."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __getitem__(self, sample: tuple[int, int]) -> Any:
        from lightning.pytorch.utilities.seed import isolate_rng

        index, seed = sample
        with isolate_rng(include_cuda=False):  # Python's, NumPy's and torch's: networks draw from them too
            torch.default_generator.manual_seed(seed)
            random.seed(seed)
            np.random.seed(seed % 2**32)  # noqa: NPY002  data sets use NumPy's global one
            return self.dataset[index]


def _is_own(module: Any, method: str) -> bool:
    """Whether a class of the user's, and not Lightning, defines a method."""
    found = getattr(type(module), method, None)
    return found is not None and not found.__module__.startswith(("lightning.", "pytorch_lightning."))


def _usable(loader: Any, name: str) -> DataLoader:
    rule = f"data.source's {name} must return a DataLoader over a data set with a length, in stored or random order"
    if not isinstance(loader, DataLoader):
        raise ValueError(f"{rule}; got {type(loader).__name__}")
    if isinstance(loader.dataset, IterableDataset) or not hasattr(loader.dataset, "__len__"):
        raise ValueError(f"{rule}; got one over {type(loader.dataset).__name__}, which has none")
    if not isinstance(loader.sampler, RandomSampler | SequentialSampler):
        raise ValueError(f"{rule}, for the run's seed decides the order; got one with {type(loader.sampler).__name__}")
    return loader


def _pair(batch: Any) -> tuple[Tensor, Tensor]:
    if not isinstance(batch, tuple | list) or len(batch) != 2 or not all(isinstance(part, Tensor) for part in batch):
        raise ValueError(f"data.source must give batches of (images, labels), both tensors; got {type(batch).__name__}")
    images, labels = batch
    if images.ndim != 4 or labels.ndim != 1 or labels.is_floating_point():
        raise ValueError(
            "data.source must give images (n, channels, height, width) and integer labels (n,); got shapes "
            f"{list(images.shape)} and {list(labels.shape)} of {images.dtype} and {labels.dtype}"
        )
    return images, labels
