"""Training the pruned architecture from a fresh start."""

import json
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from quick import QUICK
from torch import nn

from oraclecheck.engines import lightning
from oraclecheck.networks.initialisation import check_initialiser, initialise
from oraclecheck.networks.lenet import LeNet5Mini
from oraclecheck.networks.vgg import VGG19

ALONE = ("logger=none", "pipeline=scratch", "pipeline.dense_epochs=0")


def the_record(repeat: int = 0) -> dict:
    return json.loads(next(Path("multirun").glob(f"lenet*/0/{repeat}/record.json")).read_text())


@pytest.mark.parametrize("engine", ["lightning", pytest.param("lanes", marks=pytest.mark.slow)])
def test_scratch_trains_the_pruned_architecture_from_a_start_of_each_repeat(command, engine):
    assert command(*QUICK, *ALONE, f"engine={engine}", "repeat='0,1'")[0] == 0
    first, second = the_record(0), the_record(1)
    assert (first["pruned_params"], first["pruned_macs"]) == (4120, 225700)
    assert first["pipeline"] == "scratch" and len(first["history"]) == 2
    for record in (first, second):
        assert record["pruned_test_loss"] == pytest.approx(2.3, abs=0.15)  # it knows nothing: ln 10
        assert record["dense_test_loss"] < 2.2
    assert first["pruned_test_loss"] != second["pruned_test_loss"]


def test_scratch_does_not_depend_on_the_dense_networks_weights(command):
    """Weights that are not numbers would spread."""
    broken = LeNet5Mini()
    nn.init.constant_(broken.conv2.weight, 1e30)
    torch.save(broken.state_dict(), "broken.pt")
    assert command(*QUICK, *ALONE, "pretrain.checkpoint=broken.pt")[0] == 0
    assert the_record()["pruned_test_loss"] == pytest.approx(2.3, abs=0.15)


def test_same_seeds_give_the_same_scratch_network(command):
    losses = []
    for folder in ("a", "b"):
        assert command(*QUICK, *ALONE, f"paths.out={folder}")[0] == 0
        losses.append(json.loads(next(Path(folder).glob("*/0/0/record.json")).read_text())["final_test_loss"])
    assert losses[0] == losses[1]
    assert command(*QUICK, *ALONE, "paths.out=c", "pretrain.seed=1")[0] == 0
    other = json.loads(next(Path("c").glob("*/0/0/record.json")).read_text())["final_test_loss"]
    assert other != losses[0]


def test_budget_of_epochs_is_that_of_both_networks(command):
    code, _, err = command(*QUICK, "logger=none", "pipeline=scratch")
    assert code == 0 and "pipeline=scratch: networks are trained from scratch for 4 epochs: 2 + 2" in err
    rates = [entry["lr"] for entry in the_record()["history"]]
    assert rates == [4e-2, 4e-2, 4e-3, 4e-3]  # the schedule of retrain, stretched
    assert "rates by epoch: 0: 0.04, 2: 0.004" in err


def test_rule_is_followed_anew_for_the_epochs_that_are_worked_out(command):
    """5 epochs by the rule are 3, 1 and 1, stretched 6, 2 and 2; 10 by the rule are 5, 3 and 2."""
    words = ("retrain.lr='halving 1e-2 to 1e-4'", "retrain.epochs=5", "pretrain.epochs=5")
    assert command(*QUICK, "logger=none", "pipeline=scratch", *words)[0] == 0
    assert [entry["lr"] for entry in the_record()["history"]] == [1e-2] * 5 + [1e-3] * 3 + [1e-4] * 2


def test_what_is_trained_with_another_seed_of_the_dense_network_sees_images_in_another_order(command, monkeypatch):
    seeds, fit = [], lightning.fit
    monkeypatch.setattr(lightning, "fit", lambda *words, **options: seeds.append(words[3]) or fit(*words, **options))
    for seed in (0, 1):
        assert command(*QUICK, *ALONE, "engine=lightning", f"pretrain.seed={seed}")[0] == 0
    assert len(seeds) == len({*seeds}) == 2


def test_budget_of_flops_is_worked_out_from_both_networks(command):
    """(2 x 448,700 + 2 x 225,700) / 225,700 = 5.98."""
    code, _, err = command(*QUICK, "logger=none", "pipeline=scratch", "pipeline.budget=flops")
    assert code == 0 and "for 6 epochs: (2 x 448,700 + 2 x 225,700) / 225,700" in err
    assert len(the_record()["history"]) == 6


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("combo=3",), "combo must be 0 for pipeline=scratch"),
        (("combo=l1",), "combo must be 0 for pipeline=scratch"),
        (("pipeline.dense_epochs=-1",), "pipeline.dense_epochs must lie in 0.."),
        (("pretrain.checkpoint=x.pt",), "pipeline.dense_epochs must be given where the dense network is loaded"),
        (("pipeline.epoch=2",), "pipeline.epoch must be left out unless pipeline=during; got 2"),
    ],
)
def test_scratch_that_cannot_be_done_is_refused_before_training(command, words, says):
    code, _, err = command(*QUICK, "logger=none", "pipeline=scratch", *words)
    assert code == 2 and says in err and len(err.splitlines()) == 1
    assert not list(Path("multirun").glob("dense/*.pt"))


def test_start_has_the_scale_of_its_own_shapes():
    """Kaiming's standard deviation is the root of 2 / fan-in, of the pruned network's."""
    network = VGG19(width=8)
    network.features.conv1_2 = nn.Conv2d(2, 8, 3, padding=1, bias=False)
    initialise(network, 0)
    assert network.features.conv1_2.weight.std().item() == pytest.approx((2 / 18) ** 0.5, rel=0.25)
    assert network.features.bn1_1.weight.eq(1).all()
    again = VGG19(width=8)
    again.features.conv1_2 = nn.Conv2d(2, 8, 3, padding=1, bias=False)
    nn.init.constant_(again.features.conv1_2.weight, 7)
    initialise(again, 0)
    assert torch.equal(network.features.conv1_2.weight, again.features.conv1_2.weight)
    initialise(again, 1)
    assert not torch.equal(network.features.conv1_2.weight, again.features.conv1_2.weight)


class Own(nn.Module):
    """A network that its constructor initialises in a way of its own."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(16, 16)
        nn.init.normal_(self.fc.weight, std=3)


class Says(Own):
    """The same, and it can do so again."""

    def initialise(self):
        nn.init.normal_(self.fc.weight, std=3)


class Loose(nn.Module):
    """A network with a parameter of its own."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))


HERE = __name__


@pytest.mark.parametrize(
    "network",
    [
        {"_target_": "oraclecheck.networks.lenet.LeNet5Mini"},
        {"_target_": "oraclecheck.networks.vgg.VGG19", "width": 8},
        {"_target_": "oraclecheck.networks.resnet_cifar.ResNetCIFAR", "depth": 8},
        {"_target_": "torchvision.models.resnet18"},
        {"_target_": f"{HERE}.Says"},
    ],
)
def test_networks_begin_anew_as_their_constructors_begin(network):
    check_initialiser(network)
    assert isinstance(instantiate(network), nn.Module)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Own", "the constructor of Own draws fc.weight with a standard deviation of"),
        ("Loose", "it, a Loose, has parameters and no method reset_parameters"),
    ],
)
def test_network_that_does_not_say_how_it_begins_is_refused(name, says):
    with pytest.raises(ValueError, match=says):
        check_initialiser({"_target_": f"{HERE}.{name}"})
