"""Torchvision's weights, as far as that can be told without a network: files in place of downloads."""

from pathlib import Path

import pytest
import torch
from torchvision.models import resnet18

from oraclecheck.networks.imagenet import fetch_weights, weights_file
from oraclecheck.networks.vit import VisionTransformer
from oraclecheck.pipelines.dense import load_checkpoint

NAME = "ResNet18_Weights.IMAGENET1K_V1"


@pytest.fixture(autouse=True)
def hub(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))


@pytest.fixture
def offline(monkeypatch):
    def refuse(*_, **__):
        raise OSError("Temporary failure in name resolution")

    monkeypatch.setattr("torch.hub.urlopen", refuse)


def test_weights_lie_where_torch_hub_keeps_them(tmp_path):
    folder = tmp_path / "hub" / "hub" / "checkpoints"
    assert weights_file(NAME, "k") == folder / "resnet18-f37072fd.pth"
    folder.mkdir(parents=True)
    torch.save({}, folder / "resnet18-f37072fd.pth")
    assert fetch_weights(NAME, "k") == folder / "resnet18-f37072fd.pth"


def test_missing_weights_are_one_sentence_with_the_file_and_its_place(tmp_path, offline):
    with pytest.raises(ValueError) as error:
        fetch_weights(NAME, "pretrain.weights")
    sentence = str(error.value)
    assert sentence.startswith("pretrain.weights must be at hand; ResNet18_Weights.IMAGENET1K_V1 cannot be downloaded")
    assert str(tmp_path / "hub" / "hub" / "checkpoints") in sentence and "resnet18-f37072fd.pth" in sentence
    assert "\n" not in sentence and not list(tmp_path.glob("hub/hub/checkpoints/*"))


@pytest.mark.parametrize("name", ["ResNet18", "ResNet18_Weights.IMAGENET1K_V9", "resnet18"])
def test_unknown_weights_are_refused(name):
    with pytest.raises(ValueError, match=r"^k must name weights of torchvision"):
        weights_file(name, "k")


def test_weights_are_checked_before_a_sweep_starts(command, offline, monkeypatch):
    monkeypatch.setattr("oraclecheck.sweep.Worker", lambda *_: pytest.fail("something was launched"))
    Path("my_conf/model").mkdir(parents=True)
    Path("my_conf/model/mine.yaml").write_text(
        "defaults: [lenet5_mini, _self_]\nname: mine\nweights: ResNet18_Weights.IMAGENET1K_V1\n"
    )
    code, _, err = command(
        "-m", "--config-dir", "my_conf", "model=mine", "pretrain.weights=${model.weights}", "combo=0,1"
    )
    assert code == 2 and err.count("\n") == 1 and "cannot be downloaded here (Temporary failure" in err


def test_files_of_older_torchvision_are_read(tmp_path):
    """Theirs has no counters of BatchNorms, and calls the layers of an FFN linear_1 and linear_2."""
    network = resnet18()
    state = network.state_dict()
    torch.save({name: tensor for name, tensor in state.items() if "num_batches" not in name}, tmp_path / "old.pth")
    with torch.device("meta"):
        shadow = resnet18()
    loaded = load_checkpoint(tmp_path / "old.pth", shadow, "k", "resnet18").state
    assert loaded.keys() == state.keys() and all(torch.equal(loaded[name], state[name]) for name in state)
    vit = VisionTransformer(16, 8, 1, 2, 8, 4, 3).state_dict()
    old = {name.replace("mlp.0", "mlp.linear_1").replace("mlp.3", "mlp.linear_2"): vit[name] for name in vit}
    assert old.keys() != vit.keys()
    torch.save(dict(old), tmp_path / "vit.pth")
    with torch.device("meta"):
        shadow = VisionTransformer(16, 8, 1, 2, 8, 4, 3)
    loaded = load_checkpoint(tmp_path / "vit.pth", shadow, "k", "vit").state
    assert loaded.keys() == vit.keys() and all(torch.equal(loaded[name], vit[name]) for name in vit)
