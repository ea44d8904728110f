"""Where images come from. A source knows its recipe, whether its files are there, and how to turn them into tensors.

Tensors are computed once and kept in one cache file, named by the recipe and by the content it was computed from.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from PIL import Image
from torch import Tensor

from oraclecheck.data.images import ImageData, ImageSet
from oraclecheck.files import digest, remove_remains, write_atomically

IMAGE_SIZE = 32  # both papers' LeNet5-Mini takes 32x32 images
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Digits:
    """scikit-learn's handwritten digits: 1,797 real images of 8x8, embedded, no download.

    Upscaled to 32x32 (PIL bilinear); a fixed stratified third is the test set.
    """

    root: str
    download: bool = False

    def check(self) -> None:
        """Nothing can be missing: the images are part of scikit-learn."""

    @cached_property
    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
        return np.rint(images.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8), labels.astype(np.int64)

    def identity(self) -> dict[str, Any]:
        """What decides the tensors."""
        content = hashlib.sha256(b"".join(array.tobytes() for array in self._arrays)).hexdigest()
        return {"dataset": "sklearn digits", "split": "stratified third, seed 0", "content": content}

    def read(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Train images, train labels, test images, test labels."""
        from sklearn.model_selection import train_test_split

        images, labels = self._arrays
        train, test = train_test_split(np.arange(len(labels)), test_size=1 / 3, stratify=labels, random_state=0)
        return (*_tensors(images[train], labels[train]), *_tensors(images[test], labels[test]))


@dataclass(frozen=True)
class MNISTFamily:
    """MNIST, FashionMNIST or KMNIST in the on-disk format of torchvision, resized to 32x32 (PIL bilinear).

    Args:
        root: Folder that holds `<dataset>/raw/*-ubyte`, as torchvision lays it out.
        dataset: "MNIST", "FashionMNIST" or "KMNIST".
        download: Whether torchvision may fetch missing files.
    """

    root: str
    dataset: str
    download: bool = False

    @property
    def _files(self) -> list[Path]:
        folder = Path(self.root) / self.dataset / "raw"
        parts = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
        return [folder / f"{part}-ubyte" for part in parts]

    def check(self) -> None:
        """Raise ValueError, with the remedy, if files are missing and may not be fetched."""
        missing = [path for path in self._files if not path.is_file()]
        if missing and not self.download:
            raise ValueError(
                f"data.root must hold {self.dataset}; {missing[0]} is missing: set data.root or $ORACLECHECK_DATA to "
                f"the folder above {self.dataset}/raw, or let torchvision fetch it with data.download=true"
            )

    def identity(self) -> dict[str, Any]:
        """What decides the tensors."""
        self.check()
        if not all(path.is_file() for path in self._files):
            self._dataset(train=True)
        return {"dataset": self.dataset, "content": [_content_hash(path) for path in self._files]}

    def read(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Train images, train labels, test images, test labels."""
        parts: list[Tensor] = []
        for train in (True, False):
            dataset = self._dataset(train)
            parts.extend(_tensors(dataset.data.numpy(), dataset.targets.numpy()))
        train_images, train_labels, test_images, test_labels = parts
        return train_images, train_labels, test_images, test_labels

    def _dataset(self, train: bool) -> Any:
        from torchvision import datasets

        try:
            return getattr(datasets, self.dataset)(root=self.root, train=train, download=self.download)
        except (RuntimeError, OSError, ValueError) as error:
            raise ValueError(f"data.root must hold a readable {self.dataset}; got {self.root}: {error}") from error


Source = Digits | MNISTFamily


@lru_cache(maxsize=8)  # reads every byte of the data set
def identity(source: Source) -> dict[str, Any]:
    """What decides the tensors of a source: its content, size and resampling, never its path."""
    return {**source.identity(), "size": IMAGE_SIZE, "resize": "PIL bilinear"}


def load(
    source: Source,
    cache: Path,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    channels_last: bool = False,
    device: torch.device = CPU,
) -> ImageData:
    """Training and test images of a source, from the cache file if it was computed before.

    Any number of processes may call this at once: one computes, the others wait and share its pages.

    Args:
        source: Where the images come from.
        cache: Folder of the cache file.
        mean: Normalisation, one number for each channel.
        std: Normalisation, one number for each channel.
        channels_last: Memory layout of the batches.
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
        ImageSet(tensors[f"{part}_images"], tensors[f"{part}_labels"], mean, std, channels_last)
        for part in ("train", "test")
    )
    return ImageData(train, test).to(device)


def _content_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _tensors(images: np.ndarray, labels: np.ndarray) -> tuple[Tensor, Tensor]:
    """Grey images (n, h, w), uint8, as (n, 1, 32, 32) by PIL's bilinear resize, and their labels."""
    side = (IMAGE_SIZE, IMAGE_SIZE)
    resized = [np.asarray(Image.fromarray(image).resize(side, Image.Resampling.BILINEAR)) for image in images]
    return torch.from_numpy(np.stack(resized))[:, None].contiguous(), torch.from_numpy(labels.astype(np.int64))
