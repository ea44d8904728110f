"""A network of the user's own: a class and a configuration file outside the project."""

import json
from pathlib import Path

import pytest
from few_digits import TRAIN
from quick import QUICK

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


def test_own_network_that_reads_values_in_its_init_runs(command, own_network):
    reading = NETWORK.replace("super().__init__(", "import torch\n        super().__init__(nn.Dropout(RATE),")
    Path("reading_net.py").write_text(reading.replace("RATE", "torch.linspace(0, 0.5, 3)[1].item()"))
    where = ("model.network._target_=reading_net.Net", "pruning.ratio={1: 0.5}")
    code, _, err = command("--config-dir", "my_conf", "model=mine", *QUICK, "logger=none", *where)
    assert code == 0, err
    (path,) = Path("multirun").glob("mine-digits-1_0.5-*/0/0/record.json")
    assert json.loads(path.read_text())["status"] == "ok"


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("my_net.Nett", "my_net has no 'Nett': did you mean 'Net'?"),
        ("my_net.sub.Net", "my_net has no 'sub'"),
        ("elsewhere.Net", "there is no module 'elsewhere': put the folder that holds it on PYTHONPATH"),
        ("torchvision.models.resnet19", "torchvision.models has no 'resnet19': did you mean 'resnet1"),
        ("unclosed_net.Net", "unclosed_net.py, line 3: expected ':'"),
        ("needing_net.Net", "needing_net.py, line 2, imports 'a_missing_package', which is not installed"),
        ("raising_net.Net", "raising_net.py, line 1, raises ZeroDivisionError: division by zero"),
        ("leaving_net.Net", "leaving_net.py, line 2, raises SystemExit: 3"),
        ("other_net.number", "that is of type int"),
        ("other_net.give_number", "model.network must make a torch.nn.Module"),
        ("builtins.dict", "which makes a dict"),
        ("other_net.complain", "got {'_target_': 'other_net.complain'}: RuntimeError"),
        ("sys.exit", "SystemExit"),
        ("Net", "write it as MODULE.CLASS"),
        (".my_net.Net", "write it as MODULE.CLASS"),
        ("''", "write it as MODULE.CLASS"),
        ("null", "got None: write it as MODULE.CLASS"),
    ],
)
def test_target_that_is_no_network_is_told_why(command, own_network, target, reason):
    Path("unclosed_net.py").write_text("from torch import nn\n\nclass Net(nn.Module)\n    pass\n")
    Path("needing_net.py").write_text("import torch\nfrom a_missing_package import layers\n")
    Path("raising_net.py").write_text("1 / 0\n")
    Path("leaving_net.py").write_text("import sys\nsys.exit(3)\n")
    Path("other_net.py").write_text(
        "number = 3\ndef give_number(): return number\ndef complain(): raise RuntimeError\n"
    )
    code, out, err = command("--config-dir", "my_conf", "model=mine", f"model.network._target_={target}")
    assert code == 2 and not out and err.count("\n") == 1
    assert err.startswith("oraclecheck: model.network must ") and reason in err


def test_target_inside_a_network_is_told_why(command, own_network):
    code, _, err = command("--config-dir", "my_conf", "model=mine", "+model.network.width={_target_: my_net.Size}")
    assert code == 2 and err.count("\n") == 1 and "got 'my_net.Size': my_net has no 'Size'" in err


def test_data_source_that_cannot_be_imported_is_told_why(command):
    code, _, err = command("data.source._target_=elsewhere.Source")
    assert code == 2 and err.count("\n") == 1
    assert err.startswith("oraclecheck: data.source must ") and "there is no module 'elsewhere'" in err


def test_argument_that_the_network_does_not_take_is_one_sentence(command, own_network):
    code, _, err = command("--config-dir", "my_conf", "model=mine", "+model.network.widht=3")
    assert code == 2 and "unexpected keyword argument 'widht'" in err and err.count("\n") == 1


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
    code, _, err = command(
        "--config-dir", "my_conf", *QUICK, "logger=none", "model=mine", f"{key}.batch_size={TRAIN - 1}"
    )
    assert code != 0 and f"{key}.batch_size must not leave a batch of one image" in err
    assert not list(Path("multirun").glob("dense/*.pt"))
