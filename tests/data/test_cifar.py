"""CIFAR in the on-disk format of torchvision, with the checks of MD5 that torchvision makes."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision import datasets, transforms

from oraclecheck.data.loading import Preparation, identity, load
from oraclecheck.data.sources import CIFAR

RGB = Preparation((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
CLASSES = {"CIFAR10": 10, "CIFAR100": 100}


def write_cifar(root: Path, dataset: str, monkeypatch: pytest.MonkeyPatch, per_file: int = 100, seed: int = 0) -> Path:
    """A small data set in torchvision's format; torchvision learns its MD5s and goes on checking them."""
    cifar, classes = getattr(datasets, dataset), CLASSES[dataset]
    generator = np.random.default_rng(seed)
    folder = root / cifar.base_folder
    folder.mkdir(parents=True)

    def write(name: str, content: dict) -> str:
        (folder / name).write_bytes(pickle.dumps(content))
        return hashlib.md5((folder / name).read_bytes()).hexdigest()

    for part in ("train_list", "test_list"):
        files = []
        for name, _ in datasets.__dict__[dataset].__dict__[part]:
            labels = (np.arange(per_file) % classes).tolist()
            data = generator.integers(0, 256, (per_file, 3072), dtype=np.uint8)
            key = "labels" if dataset == "CIFAR10" else "fine_labels"
            files.append([name, write(name, {"data": data, key: labels})])
        monkeypatch.setattr(cifar, part, files)
    names = [f"class {i}" for i in range(classes)]
    md5 = write(cifar.meta["filename"], {cifar.meta["key"]: names})
    monkeypatch.setattr(cifar, "meta", {**cifar.meta, "md5": md5})
    return root


@pytest.mark.parametrize("dataset", CLASSES)
def test_images_equal_torchvisions_bit_for_bit(tmp_path, monkeypatch, dataset):
    root = write_cifar(tmp_path, dataset, monkeypatch)
    data = load(CIFAR(str(root), dataset), tmp_path / "cache", RGB)
    steps = transforms.Compose([transforms.ToTensor(), transforms.Normalize(RGB.mean, RGB.std)])
    for images, train in ((data.train, True), (data.test, False)):
        samples = list(getattr(datasets, dataset)(root, train=train, transform=steps))
        assert torch.equal(next(images.batches(len(images)))[0], torch.stack([image for image, _ in samples]))
        assert images.labels.tolist() == [label for _, label in samples]
        assert len(images.labels.unique()) == CLASSES[dataset]


def test_missing_files_name_the_remedy(tmp_path):
    with pytest.raises(ValueError, match=r"data\.root must hold CIFAR10; .*data_batch_1 is missing: set data\.root"):
        CIFAR(str(tmp_path), "CIFAR10").check()


def test_corrupt_files_are_a_clear_error(tmp_path, monkeypatch):
    root = write_cifar(tmp_path, "CIFAR10", monkeypatch)
    (root / "cifar-10-batches-py/data_batch_3").write_bytes(b"not a pickle")
    with pytest.raises(ValueError, match=r"data\.root must hold a readable CIFAR10; got .*corrupted"):
        load(CIFAR(str(root), "CIFAR10"), tmp_path / "cache", RGB)


def test_identity_is_the_content_not_the_path(tmp_path, monkeypatch):
    found = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        root = write_cifar(tmp_path / name, "CIFAR10", monkeypatch, seed=seed)
        found.append(identity(CIFAR(str(root), "CIFAR10"), tmp_path / "cache"))
    assert found[0] == found[1] != found[2]


@pytest.fixture
def cifar10(tmp_path, monkeypatch) -> tuple[str, ...]:
    """A command's arguments for a small network on a small CIFAR10."""
    write_cifar(tmp_path / "data", "CIFAR10", monkeypatch)
    Path("net_for_cifar.py").write_text(
        "from torch import nn\n\n\ndef net(classes):\n"
        "    return nn.Sequential(nn.Conv2d(3, 6, 5, 4), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 49, classes))\n"
    )
    Path("conf/model").mkdir(parents=True)
    Path("conf/model/small.yaml").write_text(
        "name: small\nnetwork:\n  _target_: net_for_cifar.net\n  classes: ${data.classes}\ninput_shape: [3, 32, 32]\n"
        "ratio:\n  '0': 0.5\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    recipes = [f"{stage}.{key}" for stage in ("pretrain", "retrain") for key in ("epochs=1", "lr='0: 1e-2'")]
    root = f"data.root={tmp_path / 'data'}"
    return ("--config-dir", "conf", "model=small", "data=cifar10", root, "logger=none", *recipes)


def test_cifar_runs_from_its_files_to_the_record(command, cifar10):
    code, out, err = command(*cifar10, "combo=7")
    assert code == 0, err
    assert "1 of 1 runs have records in multirun/small-cifar10-0_0.5-" in out


def test_augmented_train_eval_is_another_study_of_the_same_dense_network(command, cifar10):
    import json

    for choice in ("plain", "augmented"):
        assert command(*cifar10, f"data.train_eval={choice}")[0] == 0
    records = [json.loads(path.read_text()) for path in Path("multirun").glob("small-*/0/0/record.json")]
    first, second = records
    assert len(records) == 2 and first["dense_hash"] == second["dense_hash"]
    assert first["study_hash"] != second["study_hash"]
    for metric in ("dense_train_loss", "pruned_train_loss", "final_train_loss"):
        assert first[metric] != second[metric]
    for metric in ("dense_test_loss", "pruned_test_loss", "final_test_loss"):
        assert first[metric] == second[metric]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["data=digits"],
            "model.input_shape must be that of the images of digits, [1, 32, 32]; small takes [3, 32, 32]",
        ),
        (["model.network.classes=9"], "must turn an image into data.classes=10 logits; its output has shape [9]"),
        (["data.classes=9"], "data.classes must be the number of classes of cifar10, 10; got 9"),
        (["data.augment.crop_padding=-1"], "data.augment.crop_padding must lie in [0, 32], an image's side; got -1"),
        (
            ["data.augment={crop_padding: 0, flip: false}", "data.train_eval=augmented"],
            "data.train_eval must be plain where data.augment changes nothing",
        ),
    ],
)
def test_data_that_does_not_fit_is_one_sentence(command, cifar10, arguments, sentence):
    code, _, err = command(*cifar10, *arguments)
    assert code == 2 and sentence in err and err.count("\n") == 1
