"""What only a CUDA device can show: `python -m pytest -m gpu`."""

from dataclasses import replace

import pytest
import torch

from engines.stacked.test_engine import BATCH_NORM, CASES, RUNS, difference, normalised, retrain, silence
from engines.test_callbacks import DATA, RECIPE
from oraclecheck.data.images import ImageData
from oraclecheck.engines.stacked import capture, memory
from oraclecheck.engines.stacked.engine import StackedEngine
from oraclecheck.engines.stacked.group import Task
from oraclecheck.engines.trainer import TrainerSettings, device_of
from oraclecheck.networks.vgg import VGG19

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device on this machine"),
]
GPU = TrainerSettings("gpu")


def on_gpu(case, trainer=GPU):
    make, prune, data, recipe = CASES[case] if isinstance(case, str) else case
    parts = (part and part.to(device_of(trainer)) for part in (data.train, data.test, data.train_eval))
    return make, prune, ImageData(*parts), recipe


@pytest.mark.parametrize("networks", [1, 3])
@pytest.mark.parametrize("case", CASES)
def test_captured_steps_do_what_eager_steps_do(case, networks, monkeypatch):
    captured = retrain(on_gpu(case), networks=networks, trainer=GPU)
    monkeypatch.setattr(capture, "capture", lambda *_: None)
    eager = retrain(on_gpu(case), networks=networks, trainer=GPU)
    for one, other in zip(captured, eager, strict=True):
        assert not isinstance(one, Exception), one
        assert difference(other.network, one.network) < 1e-5
        assert one.history[-1]["train_loss"] == pytest.approx(other.history[-1]["train_loss"], rel=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_gpu_ends_where_the_cpu_ends(case):
    for ours, theirs in zip(retrain(on_gpu(case), networks=3, trainer=GPU), retrain(case, networks=3), strict=True):
        assert ours.pruned_train.loss == pytest.approx(theirs.pruned_train.loss, rel=1e-4)
        assert ours.final_test.loss == pytest.approx(theirs.final_test.loss, rel=1e-2)
        assert next(ours.network.parameters()).device.type == "cpu"


def test_repeats_are_bit_identical():
    same, again = (retrain(on_gpu(BATCH_NORM), RUNS[:3], 3, GPU) for _ in range(2))
    assert [each.history for each in same] == [each.history for each in again]


@pytest.mark.parametrize("precision", ["tf32", "bf16-mixed"])
def test_other_precisions_are_captured_too(precision):
    for networks in (1, 3):
        full, other = (
            retrain(on_gpu(BATCH_NORM), RUNS[:3], networks, t) for t in (GPU, replace(GPU, precision=precision))
        )
        assert other[0].pruned_train.loss == full[0].pruned_train.loss
        assert other[0].final_test.loss == pytest.approx(full[0].final_test.loss, rel=5e-2)


def test_step_is_captured_once_for_all_groups(monkeypatch):
    captured, capturing = [], capture.capture

    def count(*arguments):
        captured.append(arguments)
        return capturing(*arguments)

    monkeypatch.setattr(capture, "capture", count)
    make, prune, data, recipe = on_gpu(BATCH_NORM)
    assert len(list(StackedEngine(2)(RUNS, make(), prune, data, recipe, GPU))) == 7
    assert len(captured) == 2  # for whole batches, and for the last one of an epoch


def test_more_than_memory_holds_is_halved_and_loses_no_run(capsys):
    """VGG19 at half its width has 5 million parameters: 512 of them do not fit into 4 GB."""
    make, prune = (lambda: VGG19(10, 32)), silence
    images = replace(DATA.train, images=DATA.train.images.repeat(4, 3, 1, 1), labels=DATA.train.labels.repeat(4))
    images = replace(images, mean=(0.5,) * 3, std=(0.25,) * 3)
    data = ImageData(images, images)
    recipe = replace(RECIPE, epochs=1, schedule=((0, 0.01),), batch_size=256)
    runs = [replace(run, removed={"features.conv1_1": (0,)}) for run in RUNS]
    torch.cuda.set_per_process_memory_fraction(min(1.0, 4e9 / torch.cuda.get_device_properties(0).total_memory))
    try:
        found = retrain(on_gpu((make, prune, data, recipe)), runs, 512, GPU)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert not [each for each in found if isinstance(each, Exception)]
    assert "engine.networks=512 does not fit into memory: going on with 256" in capsys.readouterr().err


def test_auto_takes_as_many_small_networks_as_it_may():
    make, prune, data, recipe = on_gpu((normalised, silence, DATA, RECIPE))
    task = Task(make(), prune, data, recipe, "32-true", None)
    assert memory.networks_that_fit(make(), task) == memory.MOST
