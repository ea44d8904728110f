"""A network of the user's own: a class and a configuration file outside the project."""

import json
from pathlib import Path

import pytest

from conftest import QUICK

NETWORK = """
from torch import nn


class Net(nn.Sequential):
    def __init__(self, width=8):
        super().__init__(
            nn.Conv2d(1, width, 5, stride=2), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, 16, 5, stride=2), nn.GroupNorm(4, 16), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10),
        )
"""
MODEL = """
name: mine
network:
  _target_: my_net.Net
input_shape: [1, 32, 32]
ratio:
  '0': 0.5
"""


@pytest.fixture
def own_network(tmp_path, monkeypatch):
    Path("my_net.py").write_text(NETWORK)
    Path("my_conf/model").mkdir(parents=True)
    Path("my_conf/model/mine.yaml").write_text(MODEL)
    monkeypatch.syspath_prepend(tmp_path)


def test_own_network_runs_by_name(command, own_network):
    code, _, err = command("-m", "--config-dir", "my_conf", *QUICK, "logger=none", "model=mine", "combo=0,69")
    assert code == 0, err
    found = [
        json.loads(path.read_text()) for path in sorted(Path("multirun").glob("mine-digits-0_0.5-*/*/0/record.json"))
    ]
    assert [record["removed"] for record in found] == [{"0": [0, 1, 2, 3]}, {"0": [4, 5, 6, 7]}]
    assert all(record["pruned_params"] < record["dense_params"] for record in found)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["model.network._target_=my_net.Nett"], "model.network must name an importable class"),
        (["+model.network.widht=3"], "unexpected keyword argument 'widht'"),
    ],
)
def test_own_network_that_cannot_be_made_is_one_sentence(command, own_network, arguments, sentence):
    code, _, err = command("--config-dir", "my_conf", "model=mine", *arguments)
    assert code == 2 and sentence in err and err.count("\n") == 1


def test_missing_config_dir_is_one_sentence(command):
    code, _, err = command("--config-dir", "nothing", "model=mine")
    assert code == 2 and err == "oraclecheck: --config-dir must be a folder; got nothing\n"


def test_own_network_that_was_edited_gets_a_study_of_its_own(command, own_network):
    Path("edited_net.py").write_text(NETWORK)
    arguments = [
        "--config-dir",
        "my_conf",
        *QUICK,
        "logger=none",
        "model=mine",
        "model.network._target_=edited_net.Net",
    ]
    assert command(*arguments)[0] == 0
    Path("edited_net.py").write_text(NETWORK.replace("nn.ReLU", "nn.Tanh"))
    assert command(*arguments)[0] == 0
    assert len(list(Path("multirun").glob("mine-digits-0_0.5-*"))) == 2
    assert len(list(Path("multirun/dense").glob("mine-*.pt"))) == 2


@pytest.mark.parametrize("key", ["pretrain", "retrain"])
def test_batch_of_one_image_is_refused_before_training_where_there_is_a_batchnorm(command, own_network, key):
    # 1,198 training images: 1,197 in the first batch leave one.
    code, _, err = command("--config-dir", "my_conf", *QUICK, "logger=none", "model=mine", f"{key}.batch_size=1197")
    assert code != 0 and f"{key}.batch_size must not leave a batch of one image" in err
    assert not list(Path("multirun").glob("dense/*.pt"))
