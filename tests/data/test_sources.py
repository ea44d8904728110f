"""Data against torchvision's own transforms, and the cache against many processes."""

import errno
import hashlib
import os
import struct
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from few_digits import FewDigits
from forks import FORKS
from torch import Tensor
from torchvision import datasets, transforms

from oraclecheck.data import loading
from oraclecheck.data.images import ImageData
from oraclecheck.data.loading import Preparation, load
from oraclecheck.data.sources import Digits, MNISTFamily

MEAN, STD = (0.1307,), (0.3081,)
GREY = Preparation(MEAN, STD)
DATASETS = ("MNIST", "FashionMNIST", "KMNIST")


def write_idx(root: Path, dataset: str, n_train: int = 40, n_test: int = 20, seed: int = 0) -> Path:
    """A small data set in the on-disk format of torchvision's MNIST family."""
    generator = np.random.default_rng(seed)
    folder = root / dataset / "raw"
    folder.mkdir(parents=True)
    for part, n in (("train", n_train), ("t10k", n_test)):
        images = generator.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        labels = np.arange(n, dtype=np.uint8) % 10
        (folder / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 2051, n, 28, 28) + images.tobytes())
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, n) + labels.tobytes())
    return root


def by_torchvision(dataset: str, root: Path, train: bool) -> tuple[Tensor, Tensor]:
    """Images and labels as the usual per-sample transforms give them."""
    steps = [transforms.Resize((32, 32)), transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    samples = list(getattr(datasets, dataset)(root, train=train, transform=transforms.Compose(steps)))
    return torch.stack([image for image, _ in samples]), torch.tensor([label for _, label in samples])


@pytest.mark.parametrize("dataset", DATASETS)
def test_images_equal_torchvisions_transforms_bit_for_bit(tmp_path, dataset):
    root = write_idx(tmp_path, dataset)
    data = load(MNISTFamily(str(root), dataset), tmp_path / "cache", GREY)
    for images, train in ((data.train, True), (data.test, False)):
        expected, labels = by_torchvision(dataset, root, train)
        assert torch.equal(next(images.batches(len(images)))[0], expected) and torch.equal(images.labels, labels)


def test_mnist_is_mnist(data_root, tmp_path):
    data = load(MNISTFamily(str(data_root), "MNIST"), tmp_path, GREY)
    assert data.train.images.shape == (60000, 1, 32, 32) and len(data.test) == 10000
    assert data.train.labels.bincount().tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    expected, _ = by_torchvision("MNIST", data_root, train=False)
    assert torch.equal(next(data.test.batches(len(data.test)))[0], expected)


def test_digits_are_split_in_fixed_stratified_thirds(tmp_path):
    data = load(Digits(), tmp_path, GREY)
    assert (len(data.train), len(data.test)) == (1198, 599)
    assert data.train.images.shape[1:] == (1, 32, 32) and data.train.images.max() == 255
    shares = data.test.labels.bincount() / (data.train.labels.bincount() + data.test.labels.bincount())
    assert (shares - 1 / 3).abs().max() < 0.01
    rows = [hashlib.sha256(image.numpy().tobytes()).hexdigest() for image in data.train.images]
    assert not {hashlib.sha256(image.numpy().tobytes()).hexdigest() for image in data.test.images} & set(rows)


def test_missing_files_name_the_remedy(tmp_path):
    with pytest.raises(ValueError, match=r"data\.root must hold KMNIST; .*train-images.* is missing: set data\.root"):
        MNISTFamily(str(tmp_path), "KMNIST").check()


def test_truncated_files_are_a_clear_error(tmp_path):
    root = write_idx(tmp_path, "MNIST")
    path = root / "MNIST/raw/train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"data\.root must hold a readable MNIST"):
        load(MNISTFamily(str(root), "MNIST"), tmp_path / "cache", GREY)
    assert not list((tmp_path / "cache").glob("*.pt"))


def test_cache_is_keyed_by_content_not_by_path(tmp_path):
    same = [write_idx(tmp_path / name, "MNIST") for name in ("a", "b")]
    other = write_idx(tmp_path / "c", "MNIST", seed=1)
    sources = [MNISTFamily(str(root), "MNIST") for root in (*same, other)]
    first, second, third = (loading.identity(source, tmp_path / "cache") for source in sources)
    assert first == second != third and len(list((tmp_path / "cache").glob("*.pt"))) == 2


def test_identity_holds_the_hash_of_the_decoded_tensors(tmp_path, monkeypatch):
    """The same files, decoded by another version of a library, are other data."""
    source = MNISTFamily(str(write_idx(tmp_path, "MNIST")), "MNIST")
    found = loading.identity(source, tmp_path / "cache")
    parts = dict(zip(("train_images", "train_labels", "test_images", "test_labels"), source.read(), strict=True))
    sha = hashlib.sha256()
    for name, tensor in sorted(parts.items()):
        sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode() + tensor.numpy().tobytes())
    assert found["tensors"] == sha.hexdigest()
    read = MNISTFamily.read
    monkeypatch.setattr(MNISTFamily, "read", lambda self: (read(self)[0] ^ 1, *read(self)[1:]))
    loading.identity.cache_clear()
    assert loading.identity(source, tmp_path / "cache") == found  # what is used is what was computed and kept
    other = loading.identity(source, tmp_path / "another cache")
    assert {name for name in found if found[name] != other[name]} == {"tensors"}


def test_hash_of_tensors_is_read_and_not_computed_again(tmp_path, monkeypatch):
    source = MNISTFamily(str(write_idx(tmp_path, "MNIST")), "MNIST")
    found = loading.identity(source, tmp_path / "cache")
    monkeypatch.setattr(loading, "digest_of_tensors", lambda _: pytest.fail("hashed twice"))
    monkeypatch.setattr(MNISTFamily, "read", lambda _: pytest.fail("computed twice"))
    loading.identity.cache_clear()
    assert loading.identity(source, tmp_path / "cache") == found


def test_cache_is_used_again(tmp_path, monkeypatch):
    source = MNISTFamily(str(write_idx(tmp_path, "MNIST")), "MNIST")
    load(source, tmp_path / "cache", GREY)
    monkeypatch.setattr(MNISTFamily, "read", lambda _: pytest.fail("computed twice"))
    assert isinstance(load(source, tmp_path / "cache", GREY), ImageData)


def _load_and_digest(root: str, cache: str, queue) -> None:
    read = MNISTFamily.read
    MNISTFamily.read = lambda self: (Path(cache, f"read-by-{os.getpid()}").touch(), time.sleep(0.5), read(self))[-1]
    data = load(MNISTFamily(root, "MNIST"), Path(cache), GREY)
    queue.put(hashlib.sha256(data.train.images.numpy().tobytes()).hexdigest())


def test_cache_is_computed_once_by_many_processes(tmp_path):
    root = write_idx(tmp_path, "MNIST")
    queue = FORKS.Queue()
    workers = [
        FORKS.Process(target=_load_and_digest, args=(str(root), str(tmp_path / "cache"), queue)) for _ in range(6)
    ]
    for worker in workers:
        worker.start()
    digests = {queue.get(timeout=120) for _ in workers}
    for worker in workers:
        worker.join()
    assert len(digests) == 1 and all(worker.exitcode == 0 for worker in workers)
    assert len(list((tmp_path / "cache").glob("read-by-*"))) == 1
    assert len(list((tmp_path / "cache").glob("*.pt"))) == 1 and not list((tmp_path / "cache").glob("*.tmp"))


def test_full_disk_under_the_cache_is_one_sentence(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    source = MNISTFamily(str(write_idx(tmp_path, "MNIST")), "MNIST")
    monkeypatch.setattr(loading.torch, "save", fail)
    with pytest.raises(ValueError, match=r"^paths\.cache must have room for the data set; .* No space left on device$"):
        load(source, tmp_path / "cache", GREY)
    assert not list((tmp_path / "cache").glob("*.pt"))


@pytest.mark.parametrize("content", [b"", b"PK\3\4", None])
def test_cache_that_is_broken_is_refused_in_one_sentence(tmp_path, content):
    source = FewDigits()
    path = loading._cache_file(source, tmp_path)
    path.write_bytes(content) if content is not None else torch.save({"train_images": 1}, path)
    with pytest.raises(
        ValueError, match=r"paths\.cache must hold tensors as they were written; .*\.pt must be deleted"
    ):
        loading.identity(source, tmp_path)
