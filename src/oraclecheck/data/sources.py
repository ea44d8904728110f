"""Where images come from. A source knows its recipe, whether its files are there, and how to turn them into tensors."""

import hashlib
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

IMAGE_SIZE = 32  # both papers' LeNet5-Mini takes 32x32 images


class Source(Protocol):
    """Where images come from; hashable, so that a process reads them once."""

    def __hash__(self) -> int: ...

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of its images."""

    @property
    def classes(self) -> int:
        """Number of its classes."""

    def check(self) -> None:
        """Raise ValueError, with the remedy, if files are missing."""

    def identity(self) -> dict[str, Any]:
        """What decides the tensors: content and resampling, never a path; JSON-serialisable."""

    def read(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Train images (n, *shape), uint8, train labels (n,), int64, test images, test labels."""


@dataclass(frozen=True)
class Digits:
    """scikit-learn's handwritten digits: 1,797 real images of 8x8, embedded, no download.

    Upscaled to 32x32 (PIL bilinear); a fixed stratified third is the test set.
    """

    shape: ClassVar[tuple[int, int, int]] = (1, IMAGE_SIZE, IMAGE_SIZE)
    classes: ClassVar[int] = 10

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
        split = "stratified third, seed 0"
        return {"dataset": "sklearn digits", "split": split, "content": content, **_RESIZED}

    def read(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Train images, train labels, test images, test labels."""
        from sklearn.model_selection import train_test_split

        images, labels = self._arrays
        train, test = train_test_split(np.arange(len(labels)), test_size=1 / 3, stratify=labels, random_state=0)
        parts = ((_resized(images[part]), torch.from_numpy(labels[part])) for part in (train, test))
        return tuple(tensor for part in parts for tensor in part)  # type: ignore[return-value]


@dataclass(frozen=True)
class TorchvisionFiles:
    """A data set in the on-disk format of torchvision, which reads it and may fetch it.

    Args:
        root: Folder in which torchvision keeps the data set.
        dataset: Name of torchvision's class.
        download: Whether torchvision may fetch missing files.
    """

    root: str
    dataset: str
    download: bool = False

    @property
    def files(self) -> list[Path]:
        """The files that hold the images and labels."""
        raise NotImplementedError

    def images(self, dataset: Any) -> Tensor:
        """The images of torchvision's data set, uint8, (n, *shape)."""
        raise NotImplementedError

    def check(self) -> None:
        """Raise ValueError, with the remedy, if files are missing and may not be fetched."""
        missing = [path for path in self.files if not path.is_file()]
        if missing and not self.download:
            raise ValueError(
                f"data.root must hold {self.dataset}; {missing[0]} is missing: set data.root or $ORACLECHECK_DATA to "
                f"the folder above {missing[0].relative_to(self.root).parent}, or let torchvision fetch it with "
                "data.download=true"
            )

    def identity(self) -> dict[str, Any]:
        """What decides the tensors."""
        self.check()
        if not all(path.is_file() for path in self.files):
            self._open(train=True)
        content = [hashlib.sha256(path.read_bytes()).hexdigest() for path in self.files]
        return {"dataset": self.dataset, "content": content}

    def read(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Train images, train labels, test images, test labels."""
        parts: list[Tensor] = []
        for train in (True, False):
            dataset = self._open(train)
            parts += [self.images(dataset), torch.as_tensor(dataset.targets, dtype=torch.int64)]
        return tuple(parts)  # type: ignore[return-value]

    def _open(self, train: bool) -> Any:
        from torchvision import datasets

        try:
            with warnings.catch_warnings():
                # CIFAR's pickles are older than the numpy that reads them, which says so for every file.
                warnings.simplefilter("ignore", np.exceptions.VisibleDeprecationWarning)
                return getattr(datasets, self.dataset)(root=self.root, train=train, download=self.download)
        except (RuntimeError, OSError, ValueError) as error:
            raise ValueError(f"data.root must hold a readable {self.dataset}; got {self.root}: {error}") from error


@dataclass(frozen=True)
class MNISTFamily(TorchvisionFiles):
    """MNIST, FashionMNIST or KMNIST (`<root>/<dataset>/raw/*-ubyte`), resized to 32x32 (PIL bilinear)."""

    shape: ClassVar[tuple[int, int, int]] = (1, IMAGE_SIZE, IMAGE_SIZE)
    classes: ClassVar[int] = 10

    @property
    def files(self) -> list[Path]:
        """The four IDX files."""
        parts = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
        return [Path(self.root, self.dataset, "raw", f"{part}-ubyte") for part in parts]

    def identity(self) -> dict[str, Any]:
        """What decides the tensors."""
        return {**super().identity(), **_RESIZED}

    def images(self, dataset: Any) -> Tensor:
        """The resized images."""
        return _resized(dataset.data.numpy())


@dataclass(frozen=True)
class CIFAR(TorchvisionFiles):
    """CIFAR10 (`<root>/cifar-10-batches-py`) or CIFAR100 (`<root>/cifar-100-python`); torchvision checks the MD5."""

    shape: ClassVar[tuple[int, int, int]] = (3, 32, 32)

    @property
    def classes(self) -> int:
        """10 or 100."""
        return int(self.dataset.removeprefix("CIFAR"))

    @property
    def files(self) -> list[Path]:
        """The pickled batches and the names of the classes."""
        from torchvision import datasets

        cifar = getattr(datasets, self.dataset)
        names = [name for name, _ in (*cifar.train_list, *cifar.test_list)] + [cifar.meta["filename"]]
        return [Path(self.root) / cifar.base_folder / name for name in names]

    def images(self, dataset: Any) -> Tensor:
        """The images, channels first."""
        return torch.from_numpy(dataset.data).permute(0, 3, 1, 2).contiguous()


_RESIZED = {"size": IMAGE_SIZE, "resize": "PIL bilinear"}


def _resized(images: np.ndarray) -> Tensor:
    """Grey images (n, h, w), uint8, as (n, 1, 32, 32) by PIL's bilinear resize."""
    side = (IMAGE_SIZE, IMAGE_SIZE)
    resized = [np.asarray(Image.fromarray(image).resize(side, Image.Resampling.BILINEAR)) for image in images]
    return torch.from_numpy(np.stack(resized))[:, None].contiguous()
