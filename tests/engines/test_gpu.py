"""On a CUDA device: `python -m pytest -m gpu`."""

import pytest
import torch

from engines.test_callbacks import DATA, RECIPE, dense, retrain
from oraclecheck.data.images import ImageData
from oraclecheck.engines.trainer import TrainerSettings, device_of

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device on this machine"),
]


def on_device(settings: TrainerSettings) -> ImageData:
    return ImageData(*(part.to(device_of(settings)) for part in (DATA.train, DATA.test)))


@pytest.mark.parametrize(("precision", "tolerance"), [("32-true", 2e-3), ("bf16-mixed", 5e-2)])
def test_gpu_measures_what_the_cpu_measures(precision, tolerance):
    on_cpu = retrain(dense(), DATA, RECIPE, 0, TrainerSettings("cpu"))
    settings = TrainerSettings("gpu", precision)
    on_gpu = retrain(dense(), on_device(settings), RECIPE, 0, settings)
    assert on_gpu.pruned_train.loss == pytest.approx(on_cpu.pruned_train.loss, rel=1e-3)
    assert on_gpu.final_test.loss == pytest.approx(on_cpu.final_test.loss, rel=tolerance)
    assert next(on_gpu.network.parameters()).device.type == "cpu" and on_gpu.final_test.correct.device.type == "cpu"


def test_gpu_retraining_repeats_itself():
    settings = TrainerSettings("gpu")
    data = on_device(settings)
    first, second = (retrain(dense(), data, RECIPE, 0, settings).final_test.loss for _ in range(2))
    assert first == second
