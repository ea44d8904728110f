"""A LightningDataModule of the user's, from its configuration to the record."""

import json
import random
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, WeightedRandomSampler

from oraclecheck.data.module import ModuleSet, ModuleSource

MODULE = '''
import lightning as L
import torch
from torch.utils.data import DataLoader, TensorDataset


def blobs(n, seed):
    """Two classes that differ in brightness."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 2
    return TensorDataset(torch.randn(n, 1, 8, 8, generator=generator) + labels.view(-1, 1, 1, 1), labels)


class MyData(L.LightningDataModule):
    def __init__(self, n=40, label=0):
        super().__init__()
        self.n, self.label = n, label

    def setup(self, stage):
        self.train, self.val = blobs(self.n, 0), blobs(20, 1)
        self.train.tensors[1].add_(self.label)

    def train_dataloader(self):
        return DataLoader(self.train, batch_size=4, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val, batch_size=4)


class NoTest(MyData):
    val_dataloader = L.LightningDataModule.val_dataloader


class Dictionary(MyData):
    def train_dataloader(self):
        return DataLoader([{"image": torch.zeros(1, 8, 8), "label": 0}] * 4)
'''
MODEL = """
name: small
network:
  _target_: net_for_modules.net
  classes: ${data.classes}
input_shape: [1, 8, 8]
ratio:
  '0': 0.5
"""
NET = """
from torch import nn


def net(classes):
    return nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, classes))
"""


@pytest.fixture
def module(tmp_path, monkeypatch) -> tuple[str, ...]:
    """A command's arguments for a small network on a data module."""
    Path("module_of_mine.py").write_text(MODULE)
    Path("net_for_modules.py").write_text(NET)
    Path("conf/model").mkdir(parents=True)
    Path("conf/model/small.yaml").write_text(MODEL)
    monkeypatch.syspath_prepend(tmp_path)
    recipes = [f"{stage}.{key}" for stage in ("pretrain", "retrain") for key in ("epochs=4", "lr='0: 1e-1'")]
    data = ["data=module", "data.source._target_=module_of_mine.MyData", "data.classes=2", "data.name=mine"]
    return ("--config-dir", "conf", "model=small", *data, "logger=none", *recipes, "retrain.batch_size=8")


def records() -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(Path("multirun").glob("small-*/*/0/record.json"))]


def test_data_module_runs_from_its_configuration_to_the_record(command, module):
    code, _, err = command(*module, "combo=3", "pretrain.batch_size=8")
    assert code == 0, err
    (record,) = records()
    assert record["data"] == "mine" and record["status"] == "ok"
    assert record["dense_test_accuracy"] > 0.8  # brightness is easy
    definition = json.loads(next(Path("multirun").glob("small-*/study.json")).read_text())["definition"]
    assert definition["data"]["class"] == "module_of_mine.MyData"


def test_arguments_of_a_data_module_are_part_of_the_study(command, module):
    for n in (40, 44):
        assert command(*module, f"+data.source.n={n}")[0] == 0
    assert len({record["study_hash"] for record in records()}) == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["data.source._target_=module_of_mine.Mine"], "data.source must name an importable class and its arguments"),
        (["data.source._target_=pathlib.Path"], "data.source must be a LightningDataModule, or a source"),
        (["data.source._target_=module_of_mine.NoTest"], "data.source must have a test_dataloader or a val_dataloader"),
        (
            ["data.source._target_=module_of_mine.Dictionary"],
            "must give batches of (images, labels), both tensors; got",
        ),
        (
            ["+data.source.label=7"],
            "data.classes must be above every label; got 2, and the train set of data.source has",
        ),
        (["model.input_shape=[1,9,9]"], "its train set gives [1, 8, 8], the network takes [1, 9, 9]"),
        (["data.mean=[0.5]"], "must be left as they are for a data module"),
        (["data.train_eval=augmented"], "data.train_eval must be plain for a data module"),
    ],
)
def test_data_module_that_will_not_do_is_one_sentence(command, module, arguments, sentence):
    code, _, err = command(*module, *arguments)
    assert code == 2 and sentence in err and err.count("\n") == 1


class Noise(Dataset):
    """A data set that augments with whatever generator it likes."""

    def __len__(self):
        return 12

    def __getitem__(self, index):
        noise = torch.rand(1, 4, 4) + random.random() + np.random.rand()  # noqa: NPY002
        return noise, index


def module_set(workers: int = 0) -> ModuleSet:
    return ModuleSet(DataLoader(Noise(), batch_size=3, num_workers=workers), (1, 4, 4))


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_seed_decides_a_data_modules_randomness_and_workers_do_not():
    def epochs(seed: int, workers: int = 0) -> list[torch.Tensor]:
        batches = module_set(workers).shuffled(5, seed)
        return [
            torch.cat([torch.cat((images.flatten(1), labels[:, None]), 1) for images, labels in batches]) for _ in "12"
        ]

    first, again, other = epochs(0), epochs(0, workers=2), epochs(1)
    assert all(map(torch.equal, first, again)) and not torch.equal(first[0], other[0])
    assert sorted(first[0][:, -1].tolist()) == list(range(12)) and not torch.equal(first[0], first[1])


def test_evaluation_of_a_data_module_is_the_same_every_time_and_draws_from_nobody():
    states = torch.random.get_rng_state(), random.getstate()
    first, again = (torch.cat([images for images, _ in module_set().batches(size)]) for size in (5, 12))
    assert torch.equal(first, again) and len(first.unique()) > 12
    assert torch.equal(states[0], torch.random.get_rng_state()) and states[1] == random.getstate()


class Endless(IterableDataset):
    def __iter__(self):
        return iter(())


SAMPLES = TensorDataset(torch.zeros(4, 1, 8, 8), torch.zeros(4).long())


@pytest.mark.parametrize(
    ("loader", "got"),
    [
        ([1, 2], "got list"),
        (DataLoader(Endless()), "got one over Endless"),
        (DataLoader(SAMPLES, sampler=WeightedRandomSampler([1.0] * 4, 4)), "got one with WeightedRandomSampler"),
    ],
)
def test_loader_whose_order_no_seed_decides_is_refused(loader, got, tmp_path):
    class Mine(L.LightningDataModule):
        def train_dataloader(self):
            return loader

        def val_dataloader(self):
            return DataLoader(SAMPLES)

    source = ModuleSource(Mine(), "Mine", "{}", (1, 8, 8), 1, tmp_path)
    with pytest.raises(ValueError, match=f"data.source's train_dataloader must return a DataLoader .*{got}"):
        source.sets()
