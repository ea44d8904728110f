"""From a source to sets that batches can be made of.

Tensors are computed once and kept in one cache file, named by the recipe and by the content it was computed from.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from oraclecheck.data.augmentation import NO_AUGMENTATION, Augmentation
from oraclecheck.data.images import ImageData, ImageSet
from oraclecheck.data.sources import Source
from oraclecheck.files import digest, remove_remains, write_atomically

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Preparation:
    """How images become batches.

    Args:
        mean: Normalisation, one number for each channel.
        std: See `mean`.
        augmentation: Random changes of training images.
        augmented_train_eval: Whether training-set metrics are measured on augmented images, as the authors' code does.
        channels_last: Memory layout of the batches.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    augmentation: Augmentation = NO_AUGMENTATION
    augmented_train_eval: bool = False
    channels_last: bool = False


@lru_cache(maxsize=8)  # reads every byte of the data set
def identity(source: Source) -> dict[str, Any]:
    """What decides the tensors of a source: its content, size and resampling, never its path."""
    return source.identity()


def load(source: Source, cache: Path, preparation: Preparation, device: torch.device = CPU) -> ImageData:
    """Training and test images of a source, from the cache file if it was computed before.

    Any number of processes may call this at once: one computes, the others wait and share its pages.

    Args:
        source: Where the images come from.
        cache: Folder of the cache file.
        preparation: How images become batches.
        device: Where the tensors are to lie.
    """
    path = cache / f"{digest(identity(source))[:16]}.pt"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            if not path.is_file():
                names = ("train_images", "train_labels", "test_images", "test_labels")
                remove_remains(path)
                computed = dict(zip(names, source.read(), strict=True))
                write_atomically(path, lambda file: torch.save(computed, file))
    tensors = torch.load(path, weights_only=True, mmap=True)
    train, test = (
        ImageSet(
            tensors[f"{part}_images"],
            tensors[f"{part}_labels"],
            preparation.mean,
            preparation.std,
            preparation.channels_last,
        )
        for part in ("train", "test")
    )
    train = replace(train, augmentation=preparation.augmentation).to(device)
    train_eval = replace(train, augmented_evaluation=True) if preparation.augmented_train_eval else None
    return ImageData(train, test.to(device), train_eval)
