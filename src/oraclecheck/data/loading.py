"""From a source to sets that batches can be made of.

Tensors are computed once and kept with their hash in one cache file, named by the recipe and by the content that they
were computed from.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, TypeGuard

import torch
from filelock import FileLock
from torch import Tensor

from oraclecheck.data.augmentation import NO_AUGMENTATION, Augmentation
from oraclecheck.data.classes import balanced
from oraclecheck.data.folders import ImageFolders
from oraclecheck.data.images import ImageData, ImageSet
from oraclecheck.data.module import ModuleSource
from oraclecheck.data.sources import Source
from oraclecheck.data.stream import StreamedSet
from oraclecheck.errors import first_line
from oraclecheck.files import check_free, create_tensors, digest, digest_of_tensors
from oraclecheck.waiting import waiting

CPU = torch.device("cpu")

PARTS = ("train_images", "train_labels", "test_images", "test_labels")


@dataclass(frozen=True)
class Preparation:
    """How images become batches."""

    mean: tuple[float, ...]  # of the normalisation, one for each channel, as `std`
    std: tuple[float, ...]
    augmentation: Augmentation = NO_AUGMENTATION  # of training images
    augmented_train_eval: bool = False  # whether training-set metrics are of augmented images, as in the authors' code
    train_eval_images: int | None = None  # how many training images those are measured on; None for all
    channels_last: bool = False  # memory layout of the batches


@lru_cache(maxsize=8)  # reads every byte of the data set
def identity(source: Source | ModuleSource, cache: Path) -> dict[str, Any]:
    """What the images of a source are: its content, size and resampling, never its path, and a hash of its tensors.

    The tensors themselves count, for decoders and resamplers change with their versions. A source that streams has
    none, nor has a data module.

    Args:
        source: Where the images come from.
        cache: Folder of the cache file; the tensors are computed if they are not there.
    """
    described = _described(source)
    if isinstance(source, ModuleSource) or not in_memory(source):
        return described
    return {**described, "tensors": _cached(source, cache)["hash"]}


@lru_cache(maxsize=8)
def _described(source: Source | ModuleSource) -> dict[str, Any]:
    return source.identity()


def _streams(source: Source) -> TypeGuard[ImageFolders]:
    return isinstance(source, ImageFolders) and source.streams


class SetSource(Source, Protocol):
    """A source that gives more than images with a label, such as conversations: sets of its own, read as needed."""

    def sets(self) -> Sequence[Any]:
        """The training and the test set."""


def _makes_sets(source: Source | ModuleSource) -> TypeGuard[SetSource]:
    return hasattr(source, "sets")


def load(source: Source | ModuleSource, cache: Path, preparation: Preparation, device: torch.device = CPU) -> ImageData:
    """Training and test images of a source, as tensors in memory unless it streams.

    Args:
        source: Where the images come from.
        cache: Folder of the cache file.
        preparation: How images become batches.
        device: Where the batches are to lie.
    """
    if isinstance(source, ModuleSource):
        return ImageData(*(part.to(device) for part in source.sets(preparation.channels_last)))
    train, test = (part.to(device) for part in _sets(source, cache, preparation))
    train = replace(train, augmentation=preparation.augmentation)
    measured = train
    if preparation.train_eval_images is not None:
        measured = measured.subset(train_eval_indices(source, cache, preparation.train_eval_images))
    if preparation.augmented_train_eval:
        measured = replace(measured, augmented_evaluation=True)
    return ImageData(train, test, measured)


def _sets(source: Source, cache: Path, preparation: Preparation) -> Sequence[Any]:
    mean, std, last = preparation.mean, preparation.std, preparation.channels_last
    if _makes_sets(source):
        return source.sets()
    if _streams(source):
        return [StreamedSet(*part, mean, std, source.workers, channels_last=last) for part in source.files()]
    tensors = _cached(source, cache)
    parts = ((tensors[f"{part}_images"], tensors[f"{part}_labels"]) for part in ("train", "test"))
    return [ImageSet(*part, mean, std, channels_last=last) for part in parts]


@lru_cache(maxsize=2)
def train_eval_indices(source: Source, cache: Path, n: int) -> Tensor:
    """Indices, ascending, of n training images, the same for all who ask: see `balanced`.

    Raises:
        ValueError: If there are fewer than n images.
    """
    labels = [0] * len(source.sets()[0]) if _makes_sets(source) else train_labels(source, cache).tolist()
    if not 1 <= n <= len(labels):
        raise ValueError(f"data.train_eval_images must be null or lie in [1, {len(labels)}]; got {n}")
    return torch.tensor(balanced(labels, n))


@lru_cache(maxsize=2)
def train_labels(source: Source, cache: Path) -> Tensor:
    """Labels of the training images, shape (n,)."""
    return source.files()[0][1] if isinstance(source, ImageFolders) else _cached(source, cache)["train_labels"]


def in_memory(source: Source | ModuleSource) -> bool:
    """Whether the images of a source are kept as tensors in memory."""
    return not (isinstance(source, ModuleSource) or _makes_sets(source) or _streams(source))


def writes(source: Source | ModuleSource, cache: Path) -> bool:
    """Whether reading a source writes its tensors into the cache: not if they are there, or if it streams."""
    return not isinstance(source, ModuleSource) and in_memory(source) and not _cache_file(source, cache).is_file()


def _cache_file(source: Source, cache: Path) -> Path:
    return cache / f"tensors-{digest(_described(source))[:16]}.pt"


def _cached(source: Source, cache: Path) -> dict[str, Any]:
    """The tensors by their names, and their hash; of many processes one computes, the others share its pages."""
    path = _cache_file(source, cache)
    if not path.is_file():
        check_free(path, "paths.cache must hold tensors as they were written")
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock", poll_interval=1.0):
            if not path.is_file():
                with waiting("reading the data set"):
                    computed = dict(zip(PARTS, source.read(), strict=True))
                content = {**computed, "hash": digest_of_tensors(computed)}
                create_tensors(path, content, "paths.cache must have room for the data set")
    try:
        kept = torch.load(path, weights_only=True, mmap=True)
        if set(map(type, map(kept.get, PARTS))) != {Tensor} or not isinstance(kept["hash"], str):
            raise ValueError("it holds something else")
    except Exception as error:  # torch raises whatever a file makes its readers stumble over
        reason = first_line(error)
        raise ValueError(
            f"paths.cache must hold tensors as they were written; {path} must be deleted: {reason}"
        ) from None
    return dict(kept)
