"""`engine=` on the command line: what records say, and what is refused before anything is trained."""

import json
from pathlib import Path

import pytest
from quick import QUICK

from oraclecheck.engines.lanes import compiler as compiling
from oraclecheck.engines.lanes.library import library_of

COMMAND = (*QUICK, "logger=none")
LAYERS = "pruning.ratio={conv1: 0.3, conv2: 0.2}"  # a network that test_engine.py has compiled kernels for, too


def records() -> dict[str, dict]:
    """By engine."""
    found = [json.loads(path.read_text()) for path in sorted(Path("multirun").glob("*/*/*/record.json"))]
    return {record["engine"]: record for record in found}


@pytest.fixture
def no_compiler(monkeypatch):
    monkeypatch.setenv("CXX", "/nowhere/c++")
    compiling.compiler.cache_clear()
    library_of.cache_clear()
    yield
    compiling.compiler.cache_clear()


def test_engines_have_studies_of_their_own_on_one_dense_network(command, kernels):
    for engine in ("lightning", "lanes"):
        code, _, err = command(*COMMAND, LAYERS, f"engine={engine}", f"paths.cache={kernels}")
        assert code == 0, err
    lightning, lanes = (records()[engine] for engine in ("lightning", "lanes"))
    assert lightning["study_hash"] != lanes["study_hash"] and lightning["setting_hash"] != lanes["setting_hash"]
    same = ("dense_hash", "seed", "dense_train_loss", "pruned_params", "pruned_macs", "retrain_fraction")
    assert [lightning[name] for name in same] == [lanes[name] for name in same]
    for name in ("pruned_train_loss", "final_train_loss", "final_test_loss", "best_test_loss"):
        assert lanes[name] == pytest.approx(lightning[name], rel=1e-5) and lanes[name] != lightning[name]
    assert "c++" in lanes["versions"] and "c++" not in lightning["versions"]


@pytest.mark.parametrize("wiring", ["correct", "released_code"])
def test_auto_takes_lanes_where_it_can(command, kernels, wiring):
    code, _, err = command(*COMMAND, LAYERS, "engine=auto", f"pruning.wiring={wiring}", f"paths.cache={kernels}")
    assert code == 0 and "engine=auto" not in err
    assert records().keys() == {"lanes"}


def test_auto_takes_lightning_where_there_is_no_compiler_and_says_so(command, no_compiler):
    code, _, err = command(*COMMAND, "engine=auto")
    assert code == 0 and records().keys() == {"lightning"}
    (line,) = [line for line in err.splitlines() if "engine=auto" in line]
    assert line.startswith("oraclecheck: engine=auto takes lightning: engine=lanes must have a C++20 compiler")
    assert "/nowhere/c++" in line


def test_lanes_without_a_compiler_is_refused_in_one_sentence(command, no_compiler):
    code, _, err = command(*COMMAND, "engine=lanes")
    assert code == 2 and len(err.splitlines()) == 1 and not Path("multirun/dense").exists()
    assert err.startswith("oraclecheck: engine=lanes must have a C++20 compiler") and "install the package g++" in err


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("retrain.optimizer=adamw", "retrain.optimizer must be sgd"),
        ("retrain.label_smoothing=0.1", "retrain.label_smoothing must be 0"),
        ("retrain.mixup=0.2", "retrain.mixup must be 0"),
        ("retrain.cutmix=1.0", "retrain.cutmix must be 0"),
        ("retrain.gradient_clip=1.0", "retrain.gradient_clip must be null"),
        ("trainer.precision=bf16-mixed", "trainer.precision must be 32-true"),
        ("trainer.compile=true", "trainer.compile must be false"),
        ("trainer.threads=2", "trainer.threads must be 1"),
        ("data.augment.flip=true", "data.augment must change nothing"),
        ("model.network={_target_: own_chain.PaddedChain}", "model.network must be a chain of convolutions"),
    ],
)
def test_what_lanes_cannot_do_is_refused_in_one_sentence_that_says_what_to_choose(command, override, key):
    code, _, err = command(*COMMAND, "engine=lanes", override, "model.prunable=[{layers: conv1, count: 1}]")
    assert code == 2 and len(err.splitlines()) == 1
    assert err.startswith(f"oraclecheck: {key}") and "engine=lanes" in err and "choose engine=lightning" in err


@pytest.mark.slow
def test_network_of_the_users_own_is_retrained(command, kernels, monkeypatch):
    """A subclass with another forward, its last layer registered first."""
    network = "model.network={_target_: own_chain.OwnChain}"
    arguments = ("model.name=own", network, "model.prunable=[{layers: conv1, count: 1}]", "pruning.ratio={conv1: 0.4}")
    for engine in ("lightning", "lanes"):
        code, _, err = command(*COMMAND, f"engine={engine}", f"paths.cache={kernels}", *arguments)
        assert code == 0, err
    lightning, lanes = (records()[engine] for engine in ("lightning", "lanes"))
    assert lanes["final_test_loss"] == pytest.approx(lightning["final_test_loss"], rel=1e-5)


def test_unknown_engine_is_refused(command):
    code, _, err = command(*COMMAND, "engine=lane")
    assert code == 2 and "lanes" in err
