"""Folders of images, one folder for each class, as torchvision's ImageFolder reads them; ImageNet is one."""

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from oraclecheck.data.classes import class_folders
from oraclecheck.data.stream import ImageFiles
from oraclecheck.files import digest, write_atomically

IN_MEMORY_SIDE, IN_MEMORY_BYTES = 64, 4 * 2**30
"""Images up to this side are decoded once and kept as one tensor if all of them take no more than this."""

HASHED_BYTES = 2 * 2**30  # reading more to tell whether it is the same data would cost minutes in every sweep


@dataclass(frozen=True)
class ImageFolders:
    """Two folders, for training and testing, that hold a folder of images for each class.

    An image is scaled until its shorter side is `size / crop_ratio` (bilinear, antialiased), and its centre of
    `size` x `size` is kept; an image of that size stays as it is.

    Args:
        train: The training folder.
        test: The test folder, with the same classes.
        channels: 1 or 3; images are converted to grey or RGB.
        size: Side of the images that the network sees.
        crop_ratio: See above; 0.875 is the usual 224 of 256.
        in_memory: Whether images are decoded once and kept as tensors; "auto" decides by their size.
        workers: Processes that decode images.
        cache: Where the hash of a folder's content is kept.
    """

    train: str
    test: str
    channels: int
    size: int
    crop_ratio: float
    in_memory: bool | str
    workers: int
    cache: str

    def __post_init__(self) -> None:
        for part in ("train", "test"):  # a process that changes its folder must not take one for another
            if getattr(self, part) is not None:
                object.__setattr__(self, part, os.path.abspath(getattr(self, part)))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the images that the network sees."""
        return (self.channels, self.size, self.size)

    @property
    def classes(self) -> int:
        """Number of class folders."""
        return len(class_folders("data.train", self.train))

    def check(self) -> None:
        """Raise ValueError if a folder cannot be used, or the classes of the two differ."""
        if self.channels not in (1, 3):
            raise ValueError(f"model.input_shape must have 1 or 3 channels, as images of files do; got {self.channels}")
        train, test = (set(class_folders(f"data.{part}", getattr(self, part))) for part in ("train", "test"))
        if train != test:
            example = sorted(train ^ test)[0]
            where, lacks = ("train", "test") if example in train else ("test", "train")
            raise ValueError(
                f"data.train and data.test must have folders of the same classes; {example!r} is in data.{where}="
                f"{getattr(self, where)} but not in data.{lacks}={getattr(self, lacks)}"
            )
        for listing in self._listings:
            listing.check()

    @cached_property
    def _listings(self) -> tuple["Listing", "Listing"]:
        return Listing.of("data.train", self.train), Listing.of("data.test", self.test)

    @property
    def streams(self) -> bool:
        """Whether images are decoded whenever they are needed, and not once for all."""
        if self.in_memory != "auto":
            return not self.in_memory
        pixels = self.channels * self.size**2
        return self.size > IN_MEMORY_SIDE or pixels * sum(len(one.names) for one in self._listings) > IN_MEMORY_BYTES

    def identity(self) -> dict[str, Any]:
        """What decides the tensors; see `Listing.identity`."""
        self.check()
        train, test = (listing.identity(Path(self.cache)) for listing in self._listings)
        scaling = {"channels": self.channels, "size": self.size, "crop_ratio": self.crop_ratio}
        return {"dataset": "image folders", "train": train, "test": test, **scaling, "resize": "PIL bilinear"}

    def files(self) -> tuple[tuple[ImageFiles, Tensor], tuple[ImageFiles, Tensor]]:
        """Training and test images where they lie, with their labels."""
        self.check()
        how = self.channels, self.size, round(self.size / self.crop_ratio)
        train, test = ((ImageFiles(listing.root, listing.names, *how), listing.labels) for listing in self._listings)
        return train, test

    def read(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Train images, train labels, test images, test labels."""
        (train, train_labels), (test, test_labels) = self.files()
        return train.decode(self.workers), train_labels, test.decode(self.workers), test_labels


@dataclass(frozen=True)
class Listing:
    """The image files of a folder, in torchvision's order.

    Attributes:
        key: The configuration key that names the folder, for messages.
        names: Paths of the images below the folder.
        known_as: Hash of their names and sizes.
        seen_as: Hash of when each was last changed.
    """

    key: str
    root: str
    classes: list[str]
    names: list[str]
    labels: Tensor
    bytes: int
    known_as: str
    seen_as: str

    @staticmethod
    @lru_cache(maxsize=4)  # the jobs of a sweep ask again and again, and ImageNet takes seconds
    def of(key: str, root: str) -> "Listing":
        """List a folder."""
        from torchvision.datasets.folder import IMG_EXTENSIONS, make_dataset

        classes = class_folders(key, root)
        labels_of = {name: label for label, name in enumerate(classes)}
        found = make_dataset(root, labels_of, extensions=IMG_EXTENSIONS, allow_empty=True)
        names = [os.path.relpath(path, root) for path, _ in found]
        labels = torch.tensor([label for _, label in found], dtype=torch.int64)
        status = [os.stat(path) for path, _ in found]
        sizes, times = [entry.st_size for entry in status], [entry.st_mtime_ns for entry in status]
        return Listing(key, root, classes, names, labels, sum(sizes), digest([names, sizes]), digest(times))

    def check(self) -> None:
        """Raise ValueError if a class has no images."""
        empty = sorted(set(range(len(self.classes))) - set(self.labels.tolist()))
        if empty:
            raise ValueError(
                f"{self.key} must hold images in the folder of every class; got {self.root}, where "
                f"{self.classes[empty[0]]!r} has none"
            )

    def identity(self, cache: Path) -> dict[str, Any]:
        """Names and sizes of the images, and a hash of their bytes unless that are more than `HASHED_BYTES`.

        The hash is computed once and kept in `cache` until a file's name, size or time of change differs.
        """
        listed = {"images": len(self.names), "files": self.known_as}
        if self.bytes > HASHED_BYTES:
            return listed
        stamp = digest([self.root, self.known_as, self.seen_as])
        kept = cache / f"content-{stamp[:16]}.txt"
        if not kept.is_file():
            content = self._content().encode()
            write_atomically(kept, lambda file: file.write(content))
        return {**listed, "content": kept.read_text()}

    def _content(self) -> str:
        sha = hashlib.sha256()
        for name in self.names:
            path = Path(self.root, name)
            try:
                sha.update(path.read_bytes())
            except OSError as error:
                raise ValueError(f"{self.key} must hold readable images; {path}: {error.strerror}") from None
        return sha.hexdigest()
