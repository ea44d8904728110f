"""The dense network in mid-training: taken at an epoch of its own schedule, one training for several of them."""

import json
from pathlib import Path

import pytest
import torch
from quick import QUICK

DENSE = ("pretrain.epochs=4", "pretrain.lr='0: 8e-2, 3: 8e-3'", "logger=none")


def records(combination: str = "0") -> list[dict]:
    return [json.loads(path.read_text()) for path in Path("multirun").glob(f"lenet*/{combination}/0/record.json")]


def state(path: Path) -> dict:
    return torch.load(path, weights_only=True)["state_dict"]


def test_networks_of_several_epochs_come_of_one_training(command, monkeypatch):
    taken = ("pipeline=during", "pretrain.keep=[1,2,3]")
    assert command(*QUICK, *DENSE, *taken, "pipeline.epoch=2")[0] == 0
    files = sorted(path.name.rpartition("-")[2] for path in Path("multirun/dense").glob("*.pt"))
    assert files == ["epoch1.pt", "epoch2.pt", "epoch3.pt"]  # it ends with the last that is asked for
    monkeypatch.setattr("oraclecheck.pipelines.dense._train", lambda *_: pytest.fail("trained again"))
    assert command(*QUICK, *DENSE, *taken, "pipeline.epoch=3")[0] == 0
    assert len({record["dense_hash"] for record in records()}) == 2


def test_network_of_an_epoch_is_that_of_its_own_schedule_whatever_else_is_kept(command):
    """As trained for so many epochs alone, and as on the way to the last one."""
    for folder, words in (("a", ["pipeline=during", "pipeline.epoch=2"]), ("b", ["pretrain.keep=[2]"])):
        assert command(*QUICK, *DENSE, *words, f"paths.out={folder}", "stage=pretrain")[0] == 0
    alone, on_the_way = (state(next(Path(folder, "dense").glob("*-epoch2.pt"))) for folder in "ab")
    assert all(torch.equal(alone[name], on_the_way[name]) for name in alone)
    assert command(*QUICK, "logger=none", "paths.out=c", "pretrain.epochs=2", "stage=pretrain")[0] == 0
    short = state(next(Path("c/dense").glob("*.pt")))  # two epochs at the first rate
    assert all(torch.equal(alone[name], short[name]) for name in alone)


def test_last_epoch_is_the_usual_dense_network(command):
    assert command(*QUICK, *DENSE, "pipeline=during", "pipeline.epoch=4")[0] == 0
    assert command(*QUICK, *DENSE)[0] == 0
    [during, one_shot] = sorted(records(), key=lambda record: record["pipeline"])
    assert during["pipeline"] == "during" and one_shot["pipeline"] == "one_shot"
    assert during["dense_hash"] == one_shot["dense_hash"] and during["final_test_loss"] == one_shot["final_test_loss"]
    assert during["setting_hash"] != one_shot["setting_hash"]


def test_epoch_is_divided_by_the_measured_speed_up(command):
    """448,700 / 225,700 is 1.99, so that the fourth epoch becomes the second."""
    code, _, err = command(*QUICK, *DENSE, "pipeline=during", "pipeline.epoch=4", "pipeline.divide_by_speedup=true")
    assert code == 0 and "taken after 2 epochs: 4 / 1.99 (the speed-up, 448,700 / 225,700)" in err
    [record] = records()
    assert record["dense_macs"] / record["pruned_macs"] == pytest.approx(1.988, abs=1e-3)
    assert len(list(Path("multirun/dense").glob("*-epoch2.pt"))) == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "pipeline.epoch must lie in 1..4, the epochs of pretrain; got None"),
        (("pipeline.epoch=5",), "pipeline.epoch must lie in 1..4, the epochs of pretrain; got 5"),
        (("pipeline.epoch=0",), "pipeline.epoch must lie in 1..4"),
        (("pipeline.epoch=2", "pretrain.keep=[0]"), "pretrain.keep must be numbers of epochs, at least 1; got 0"),
        (("pipeline.epoch=2", "pretrain.checkpoint=x.pt"), "pretrain.checkpoint and pretrain.weights must be null"),
        (("pipeline.epoch=2", "pipeline.dense_epochs=3"), "pipeline.dense_epochs must be left out unless"),
        (
            ("pipeline.epoch=1", "pipeline.divide_by_speedup=true", "pruning.ratio={conv1: 0.9}"),
            "pipeline.epoch must give at least one epoch once it is divided; got 1 /",
        ),
        (
            ("pipeline.epoch=2", "pipeline.divide_by_speedup=true", "pruning.budget={criterion: l1, ratio: 0.4}"),
            "pruning.budget must be left out with pipeline.divide_by_speedup=true",
        ),
    ],
)
def test_epoch_that_cannot_be_taken_is_refused_before_training(command, words, says):
    code, _, err = command(*QUICK, *DENSE, "pipeline=during", *words)
    assert code == 2 and says in err and len(err.splitlines()) == 1
    assert not list(Path("multirun").glob("dense/*.pt"))
