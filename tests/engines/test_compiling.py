"""Training through torch.compile."""

import json
from functools import partialmethod
from pathlib import Path

import pytest
import torch
from quick import QUICK
from torch._dynamo.utils import counters

from engines.test_callbacks import DATA, RECIPE, dense, prune_as_said
from oraclecheck.engines import compiling, lightning
from oraclecheck.engines.engine import Run
from oraclecheck.engines.trainer import TrainerSettings

RUNS = [Run({"conv1": removed}, 3) for removed in ((0, 1), (2, 5), (0, 1))]


def test_second_combination_compiles_nothing_and_is_trained_as_if_alone(monkeypatch):
    """With dynamo's tracing, without a compiler: that would take half a minute."""
    monkeypatch.setattr(torch.nn.Module, "compile", partialmethod(torch.nn.Module.compile, backend="eager"))
    monkeypatch.setattr(compiling, "_twins", [])
    counters.clear()
    found, compiled = [], []
    for result in lightning.retrain(RUNS, dense(), prune_as_said, DATA, RECIPE, TrainerSettings("cpu", compile=True)):
        found.append(result)
        compiled.append(counters["stats"]["unique_graphs"])
    assert compiled[0] > 0 and len(set(compiled)) == 1
    plain = list(lightning.retrain(RUNS, dense(), prune_as_said, DATA, RECIPE, TrainerSettings("cpu")))
    for ours, theirs in zip(found, plain, strict=True):
        assert ours.history == theirs.history and ours.final_train.loss == theirs.final_train.loss
        pairs = zip(ours.network.parameters(), theirs.network.parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    assert found[0].final_test.loss != found[1].final_test.loss


@pytest.mark.slow  # compiling takes half a minute
def test_compiled_training_gives_what_eager_training_gives(command):
    found = {}
    for out, compile in (("eager", "false"), ("compiled", "true")):
        code, _, err = command(*QUICK, "logger=none", f"trainer.compile={compile}", f"paths.out={out}")
        assert code == 0, err
        (path,) = Path(out).glob("*/0/0/record.json")
        found[out] = json.loads(path.read_text())
    assert found["compiled"]["study_hash"] != found["eager"]["study_hash"]
    for metric in ("pruned_train_loss", "final_train_loss", "final_test_loss"):
        assert found["compiled"][metric] == pytest.approx(found["eager"][metric], rel=1e-3), metric
