"""`engine=stacked` on the command line."""

import gc
import json
from pathlib import Path

import pytest
import torch
from quick import QUICK

from oraclecheck.engines import choice, trainer
from oraclecheck.engines.stacked import step

COMMAND = (*QUICK, "logger=none")
STACKED = (*COMMAND, "engine=stacked", "engine.networks=3")


def records() -> dict[str, dict]:
    """By engine, combination and repeat."""
    found = [json.loads(path.read_text()) for path in sorted(Path("multirun").glob("lenet*/*/*/record.json"))]
    return {f"{record['engine']} {record['combo']} {record['repeat']}": record for record in found}


def test_group_of_runs_leaves_what_lightning_leaves(command):
    """And each its W&B run; how many are retrained at once makes no other study."""
    sweeps = (
        (*QUICK, "engine=stacked", "engine.networks=3", 'combo="0,5"', 'repeat="0,1"'),
        (*COMMAND, "engine=stacked", "combo=5", "repeat=2"),
        (*COMMAND, "engine=lightning", 'combo="0,5"'),
        (*COMMAND, "engine=lightning", "combo=5", "repeat=2"),
    )
    for sweep in sweeps:
        code, _, err = command(*sweep)
        assert code == 0, err
    found = records()
    assert len(found) == 8 and len({record["study_hash"] for record in found.values()}) == 2
    assert len(list(Path("multirun").glob("*/wandb/offline-run-*"))) == 4
    for run in ("0 0", "5 0", "5 2"):
        ours, theirs = found[f"stacked {run}"], found[f"lightning {run}"]
        exact = ("dense_hash", "seed", "removed", "pruned_params", "pruned_macs", "pruned_train_loss")
        assert [ours[name] for name in exact] == [theirs[name] for name in exact]
        for name in ("final_train_loss", "final_test_loss", "best_test_loss", "last5_test_loss_mean"):
            assert ours[name] == pytest.approx(theirs[name], rel=1e-3), name
        assert ours.keys() == theirs.keys() and ours["duration_total"] > ours["duration_retrain"] > 0


def test_records_come_when_a_group_ends_and_a_failing_one_costs_its_own_runs(command, monkeypatch):
    train = step.Step.epoch
    groups = []

    def fail_second(self, drawn, rate):
        groups.append(len(records()))
        if len(records()) == 3:
            raise RuntimeError("out of luck")
        train(self, drawn, rate)

    monkeypatch.setattr(step.Step, "epoch", fail_second)
    code, _, err = command(*STACKED, 'combo="0-3"')
    assert code == 1 and groups == [0, 0, 3]
    statuses = [record["status"] for record in records().values()]
    assert statuses == ["ok", "ok", "ok", "failed"] and "RuntimeError: out of luck" in err
    monkeypatch.undo()
    assert command(*STACKED, 'combo="0-3"')[0] == 0
    gc.collect()
    assert not [each for each in gc.get_objects() if type(each) is step.Step]  # a GPU's memory is the next study's
    assert {record["status"] for record in records().values()} == {"ok"}


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["engine.networks=0"], "engine.networks must be auto or lie in [1, 4096]; got 0"),
        (["engine.networks=5000"], "engine.networks must be auto or lie in [1, 4096]; got 5000"),
        (["engine.networks=many"], "engine.networks must be auto or lie in [1, 4096]; got many"),
        (["engine.networks=2.5"], "engine.networks must have"),
        (
            ["engine=lightning", "engine.networks=4"],
            "engine.networks must be auto for engine=lightning; got 4: choose engine=stacked",
        ),
        (["trainer.compile=true"], "trainer.compile must be false for engine=stacked; got true: choose"),
        (["trainer.precision=16-mixed"], "trainer.precision must be one of 32-true, tf32, bf16-mixed for"),
    ],
)
def test_what_cannot_be_stacked_is_one_sentence_before_training(command, overrides, sentence):
    code, _, err = command(*COMMAND, "engine=stacked", *overrides)
    assert code == 2 and err.startswith(f"oraclecheck: {sentence}") and len(err.splitlines()) == 1
    assert not Path("multirun/dense").exists()


def test_auto_takes_stacked_on_a_gpu_where_it_can_and_else_says_why_not():
    def refuse() -> None:
        raise ValueError("a reason")

    assert choice.choose("auto", "stacked", lambda: None) == ("stacked", None)
    assert choice.choose("auto", "stacked", refuse) == ("lightning", "a reason")
    assert choice.choose("stacked", "lanes", refuse) == ("stacked", None)


@pytest.mark.parametrize(("accelerator", "expected"), [("auto", True), ("gpu", True), ("cpu", False), ("mps", False)])
def test_gpu_is_one_of_this_machine_that_is_to_be_used(monkeypatch, accelerator, expected):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert trainer.on_cuda(trainer.TrainerSettings(accelerator)) is expected
