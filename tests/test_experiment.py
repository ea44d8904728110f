"""One run, top to bottom: its record against numbers worked out apart from it, and what it does in trouble."""

import errno
import json
import math
import sys
from base64 import b64decode
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
from few_digits import TEST, FewDigits
from quick import QUICK
from torch.nn.functional import cross_entropy

from data.test_sources import write_idx
from oraclecheck import experiment, files
from oraclecheck.criteria.additive import ADDITIVE
from oraclecheck.data.loading import Preparation, load
from oraclecheck.leases import Lease
from oraclecheck.networks.lenet import LeNet5Mini
from oraclecheck.pipelines import dense, one_shot, training


def the_record(combination: str = "0", repeat: int = 0) -> dict:
    return json.loads(next(Path("multirun").glob(f"lenet*/{combination}/{repeat}/record.json")).read_text())


def test_record_measures_the_networks_it_names(command):
    """Dense and pruned metrics against a masked dense network and a plain evaluation, in float64."""
    assert command(*QUICK, "logger=none", "combo=100")[0] == 0
    record = the_record("100")
    dense = LeNet5Mini()
    dense.load_state_dict(torch.load(next(Path("multirun/dense").glob("*.pt")), weights_only=True)["state_dict"])
    dense.double()
    data = load(FewDigits(), Path("multirun/.cache"), Preparation((0.3057,), (0.3234,)))
    for network in ("dense", "pruned"):
        if network == "pruned":
            for i in record["removed"]["conv1"]:
                dense.conv2.weight.data[:, i] = 0
        for part in ("train", "test"):
            images = getattr(data, part)
            with torch.no_grad():
                logits = dense(next(images.batches(len(images)))[0].double())
            assert record[f"{network}_{part}_loss"] == pytest.approx(
                cross_entropy(logits, images.labels).item(), rel=1e-5
            )
            accuracy = (logits.argmax(1) == images.labels).double().mean().item()
            assert record[f"{network}_{part}_accuracy"] == pytest.approx(accuracy, abs=1e-3)


def test_record_summarises_its_history(command):
    recipe = ("retrain.epochs=7", "retrain.lr='0: 1e-2'")
    assert command(*QUICK, *recipe, "logger=none")[0] == 0
    record = the_record()
    losses = [entry["test_loss"] for entry in record["history"]]
    accuracies = [entry["test_accuracy"] for entry in record["history"]]
    assert [entry["epoch"] for entry in record["history"]] == list(range(7))
    assert record["final_test_loss"] == losses[-1] and record["final_test_accuracy"] == accuracies[-1]
    assert record["best_epoch"] == accuracies.index(max(accuracies))
    assert record["best_test_accuracy"] == max(accuracies) and record["best_test_loss"] == losses[record["best_epoch"]]
    assert record["last5_test_accuracy_mean"] == pytest.approx(np.mean(accuracies[-5:]))
    assert record["last5_test_loss_std"] == pytest.approx(np.std(losses[-5:], ddof=1))
    correct = np.unpackbits(np.frombuffer(b64decode(record["final_test_correct"]), np.uint8))[:TEST]
    assert correct.mean() == pytest.approx(record["final_test_accuracy"])


def test_record_has_the_papers_sizes(command):
    assert command(*QUICK, "logger=none")[0] == 0
    record = the_record()
    assert (record["dense_params"], record["dense_macs"]) == (5500, 448700)
    assert (record["pruned_params"], record["pruned_macs"]) == (4120, 225700)


def test_record_names_every_package_that_decides_it(command, monkeypatch):
    """Pillow resizes the images, scikit-learn holds them, and a network may come from a package of another's."""
    assert command(*QUICK, "logger=none")[0] == 0
    fixed = {"oraclecheck", "torch", "torchvision", "lightning", "torch-pruning", "hydra-core", "numpy", "pillow"}
    versions = the_record()["versions"]
    assert versions.keys() == fixed | {"wandb", "scikit-learn"} and versions["pillow"] == metadata.version("pillow")
    monkeypatch.setattr("oraclecheck.records.provenance.packages_of_modules", lambda: {"oraclecheck": ["statsmodels"]})
    assert command(*QUICK, "logger=none", "combo=1")[0] == 0
    assert the_record("1")["versions"]["statsmodels"] == metadata.version("statsmodels")


def test_repeats_differ_only_after_pruning(command):
    assert command(*QUICK, "logger=none", 'repeat="0,1"')[0] == 0
    first, second = the_record(repeat=0), the_record(repeat=1)
    assert first["pruned_train_loss"] == second["pruned_train_loss"] and first["seed"] != second["seed"]
    assert first["final_test_loss"] != second["final_test_loss"]


def test_wirings_share_seeds_but_not_networks(command):
    for wiring in ("correct", "released_code"):
        assert command(*QUICK, "logger=none", f"pruning.wiring={wiring}", f"paths.out=multirun/{wiring}")[0] == 0
    both = [
        json.loads(next(Path(f"multirun/{w}").glob("*/0/0/record.json")).read_text())
        for w in ("correct", "released_code")
    ]
    assert both[0]["seed"] == both[1]["seed"] and both[0]["removed"] == both[1]["removed"]
    assert both[0]["dense_hash"] == both[1]["dense_hash"] and both[0]["study_hash"] != both[1]["study_hash"]
    assert both[0]["pruned_train_loss"] != both[1]["pruned_train_loss"]


def test_l1_choice_under_released_wiring_is_the_correct_network(command):
    for wiring in ("correct", "released_code"):
        command(*QUICK, "logger=none", f"pruning.wiring={wiring}", f"paths.out=multirun/{wiring}", "combo=l1")
    losses = {
        json.loads(path.read_text())["final_test_loss"] for path in Path("multirun").glob("*/lenet*/l1/0/record.json")
    }
    assert len(losses) == 1


def test_failed_run_is_written_down_and_tried_again(command, monkeypatch):
    prune = one_shot.prune

    def fail_for_one(dense, removed, example):
        if removed["conv1"] == (0, 1, 2, 3, 5) and fail_for_one.armed:
            raise RuntimeError("out of luck")
        return prune(dense, removed, example)

    fail_for_one.armed = True
    monkeypatch.setattr(one_shot, "prune", fail_for_one)
    sweep = ("-m", *QUICK, "logger=none", "combo=range(3)")
    code, _, err = command(*sweep)
    assert code == 1
    record = the_record("1")
    assert record["status"] == "failed" and "RuntimeError: out of luck" in record["error"]
    (line,) = [line for line in err.splitlines() if "missing" in line]
    assert "1 of 3 runs are missing (1 failed, the first with 'RuntimeError: out of luck'" in line
    assert line.endswith("the same command again runs only those") and "1/0/record.json" in line
    fail_for_one.armed = False
    kept = [Path("multirun").glob(f"*/{i}/0/record.json").__next__().stat().st_mtime_ns for i in (0, 2)]
    assert command(*sweep)[0] == 0 and the_record("1")["status"] == "ok"
    assert kept == [Path("multirun").glob(f"*/{i}/0/record.json").__next__().stat().st_mtime_ns for i in (0, 2)]


def test_diverged_run_is_an_outcome_and_kept(command, monkeypatch):
    sweep = (
        "-m",
        "pretrain.epochs=2",
        "pretrain.lr='0: 2e-2'",
        "retrain.epochs=3",
        "retrain.lr='0: 1e30'",
        "logger=none",
        "workers=1",
        "combo=0,1",
    )
    code, out, _ = command(*sweep)
    assert code == 0 and "repeat 0: diverged" in out
    record = the_record()
    assert record["status"] == "diverged" and len(record["history"]) == 1
    assert not math.isfinite(float(record["final_train_loss"]))
    monkeypatch.setattr(
        "oraclecheck.engines.lightning.retrain", lambda *_: pytest.fail("a diverged run was tried again")
    )
    assert command(*sweep)[0] == 0


def test_diverging_dense_network_is_one_sentence(command):
    code, _, err = command("pretrain.epochs=2", "pretrain.lr='0: 1e30'", "logger=none")
    assert code == 1 and "pretrain.lr must let the dense lenet5_mini learn" in err
    assert "1 of 1 runs are missing; the same command again runs only those" in err and "Traceback" not in err


@pytest.mark.slow
def test_digits_recipe_is_good_enough(command):
    """The default data set's own recipes: dense test accuracy of at least 0.96, at least 0.95 after retraining."""
    assert command("logger=none", 'combo="0,60,120,180,240"')[0] == 0
    found = [json.loads(path.read_text()) for path in Path("multirun").glob("lenet*/*/0/record.json")]
    assert found[0]["dense_test_accuracy"] >= 0.96
    assert np.median([record["final_test_accuracy"] for record in found]) >= 0.95


def test_mnist_runs_from_its_files_to_the_record(command, tmp_path):
    root = write_idx(tmp_path / "data", "MNIST")
    mnist = ("data=mnist", f"data.root={root}", "retrain.fraction=0.1", "combo=17", "repeat=1", "logger=none")
    assert command(*mnist, "pretrain.epochs=1", "pretrain.lr='0: 1e-2'")[0] == 0
    record = the_record("17", 1)
    assert record["data"] == "mnist" and [entry["lr"] for entry in record["history"]] == [1e-3, 1e-3, 1e-4]


def test_interrupted_sweep_says_what_is_missing(command, monkeypatch):
    def interrupt(*_):
        raise SystemExit(1)  # what Lightning makes of Ctrl-C

    monkeypatch.setattr("oraclecheck.engines.lightning.retrain", interrupt)
    code, _, err = command(*QUICK, "logger=none", 'combo="0-2"')
    assert code == 130 and "3 of 3 runs are missing; the same command again runs only those" in err


SET = (*QUICK, "logger=none", 'combo="0-2"')
NO_SPACE = OSError(errno.ENOSPC, "No space left on device")


def outcomes() -> dict[str, str]:
    found = [json.loads(path.read_text()) for path in sorted(Path("multirun").glob("lenet*/*/0/record.json"))]
    return {str(record["picked_by"] or record["combo"]): record["status"] for record in found}


def test_full_disk_at_one_record_is_told_and_the_next_run_is_tried(command, monkeypatch):
    write = experiment.write_record

    def write_or_fail(path, record):
        if record.combo == 1:
            raise NO_SPACE
        write(path, record)

    monkeypatch.setattr(experiment, "write_record", write_or_fail)
    code, _, err = command(*SET)
    assert code == 1 and outcomes() == {"0": "ok", "2": "ok"}
    sentence = "oraclecheck: combination 1, repeat 0 has left no record: OSError: [Errno 28] No space left on device"
    assert sentence in err.splitlines() and "1 of 3 runs are missing" in err


def test_claim_that_fails_costs_its_own_run(command, monkeypatch):
    take = Lease.take

    def take_or_fail(lease):
        if lease.path.parent.parent.name == "0":
            raise PermissionError(errno.EACCES, "Permission denied")
        return take(lease)

    monkeypatch.setattr(Lease, "take", take_or_fail)
    code, _, err = command(*SET)
    assert code == 1 and outcomes() == {"1": "ok", "2": "ok"}
    assert "/0/0 cannot be claimed: [Errno 13] Permission denied" in err and "1 of 3 runs are missing" in err


def test_criterion_that_fails_costs_its_own_run(command, monkeypatch):
    def choose(*_):
        raise ZeroDivisionError("no weights")

    monkeypatch.setitem(ADDITIVE, "l1", choose)
    code, _, err = command(*QUICK, "logger=none", 'combo="0,l1,1"')
    assert code == 1 and outcomes() == {"0": "ok", "1": "ok"}
    assert "combination l1, repeat 0 has left no record: ZeroDivisionError: no weights" in err


@pytest.mark.parametrize("what", ["load_data", "measure_dense"])
def test_what_no_run_can_do_without_is_one_sentence(command, monkeypatch, what):
    def fail(*_):
        raise OSError("the disk is gone")

    monkeypatch.setattr(experiment, what, fail)
    code, _, err = command(*SET)
    assert code == 1 and outcomes() == {} and err.count("the disk is gone") == 1 and "Traceback" not in err


def test_dense_network_that_cannot_be_kept_is_one_sentence(command, monkeypatch):
    def fail(path, write):
        if path.parent.name == "dense":
            raise NO_SPACE
        return create(path, write)

    trained, create = [], files.create_atomically
    train = dense._train
    monkeypatch.setattr(dense, "_train", lambda *arguments: trained.append(1) or train(*arguments))
    monkeypatch.setattr(files, "create_atomically", fail)
    monkeypatch.setattr(training, "_failures", {})
    code, _, err = command("-m", *QUICK, "logger=none", "combo=0,1")
    (line,) = [line for line in err.splitlines() if "No space left" in line]
    assert (
        code == 1
        and line.startswith("oraclecheck: paths.out must have room for the dense network")
        and len(trained) == 1
    )


FORGETFUL = """
import torch
from torch import nn


class Forgetful(nn.Sequential):
    def __init__(self):
        super().__init__()
        self.register_buffer("mask", torch.rand(1, 32, 32), persistent=False)
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 3, stride=4), nn.Conv2d(4, 4, 3, stride=4)
        self.end = nn.Linear(16, 10)

    def forward(self, images):
        return self.end(self.conv2(self.conv1(images * self.mask).relu()).relu().flatten(1))
"""


@pytest.fixture
def forgetful(tmp_path, monkeypatch) -> tuple[str, ...]:
    """A command on a network with a random mask that its state dict does not hold, which no proof has noticed."""
    for module in ("experiment", "command.preflight"):
        monkeypatch.setattr(f"oraclecheck.{module}.prove_pruning", lambda *_: None)
    Path("forgetful.py").write_text(FORGETFUL)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "forgetful", raising=False)
    Path("conf/model").mkdir(parents=True)
    Path("conf/model/forgetful.yaml").write_text(
        "name: forgetful\nnetwork: {_target_: forgetful.Forgetful}\ninput_shape: [1, 32, 32]\n"
        "prunable: [{layers: conv1, count: 1}]\nratio: 0.5\n"
    )
    return ("--config-dir", "conf", "model=forgetful", *QUICK, "logger=none")


def test_network_that_is_not_the_one_that_was_trained_is_refused(command, forgetful):
    """Its mask is drawn anew when it is loaded, so that the study would be of another network in every process."""
    for _ in range(2):
        code, _, err = command(*forgetful, 'combo="0-2"')
        (line,) = [line for line in err.splitlines() if "model.network" in line]
        assert code == 1 and line.startswith("oraclecheck: model.network must keep its whole state in its state dict")
        history = torch.load(next(Path("multirun/dense").glob("*.pt")), weights_only=True)["history"]
        assert f"its training ended with {history[-1]['test_loss']:.6g}" in line
        assert not list(Path("multirun").glob("forgetful*/*/*/record.json"))


def test_network_that_another_process_found_different_is_refused(command, forgetful):
    """A checkpoint of the user's has no history to be compared with; the first process measures it for the others."""
    import forgetful as module

    torch.save(module.Forgetful().state_dict(), "mine.pt")
    assert command(*forgetful, "pretrain.checkpoint=mine.pt", "combo=0")[0] == 0
    code, _, err = command(*forgetful, "pretrain.checkpoint=mine.pt", "combo=1")
    assert code == 1 and "has loss on the first test images" in err and "where another process measured" in err
    assert len(list(Path("multirun").glob("forgetful*/*/*/record.json"))) == 1


def test_kept_metrics_of_another_network_are_refused(command):
    """What was read from the file of metrics is compared with the training's end as well."""
    assert command(*QUICK, "logger=none")[0] == 0
    (path,) = Path("multirun/dense").glob("evaluation-*.json")
    content = json.loads(path.read_text())
    content["metrics"]["dense_test_loss"] *= 1 + 5e-5
    path.write_text(json.dumps(content))
    code, _, err = command(*QUICK, "logger=none", "combo=1")
    assert code == 1 and "has test loss" in err and "where its training ended with" in err
    content["metrics"]["dense_test_loss"] *= 1 - 4.5e-5
    path.write_text(json.dumps(content))
    assert command(*QUICK, "logger=none", "combo=1")[0] == 0
