"""Float32 is IEEE's wherever something is measured: read off torch's switches inside a network's forward."""

import pytest
import torch
from torch import nn

from engines.test_callbacks import DATA
from oraclecheck.engines.arithmetic import float32_arithmetic
from oraclecheck.engines.callbacks import History, Pruning
from oraclecheck.engines.recipe import Recipe
from oraclecheck.engines.trainer import TrainerSettings, fit
from oraclecheck.networks.lenet import LeNet5Mini

IEEE = ("ieee", "ieee", "ieee", False, False, "highest")
TF32 = ("tf32", "tf32", "tf32", True, True, "high")


def switches() -> tuple[str | bool, ...]:
    """Newer and older ones: cuDNN's convolutions and recurrent layers, products of matrices on GPUs, and on all."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    newer = (cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision, matmul.fp32_precision)
    return (*newer, cudnn.allow_tf32, matmul.allow_tf32, torch.get_float32_matmul_precision())


class Watched(nn.Module):
    """Notes the switches, and whether there is autocast, whenever it is used."""

    def __init__(self, seen: dict[bool, set]) -> None:
        super().__init__()
        self.network, self.seen = LeNet5Mini(), seen

    def forward(self, images):
        self.seen[self.training].add((*switches(), torch.is_autocast_enabled("cpu")))
        return self.network(images)


@pytest.mark.parametrize(
    ("precision", "trained"),
    [("32-true", (*IEEE, False)), ("tf32", (*TF32, False)), ("bf16-mixed", (*IEEE, True))],
)
def test_whatever_is_measured_is_ieee_float32(precision, trained):
    before, seen = switches(), {True: set(), False: set()}
    settings = TrainerSettings(accelerator="cpu", precision=precision)
    pruning, history = Pruning(lambda network, _: network, {}, DATA), History(DATA)
    fit(Watched(seen), DATA.train, Recipe(1, 16, ((0, 0.01),), 0.9, 0), 0, settings, [pruning, history])
    assert seen == {True: {trained}, False: {(*IEEE, False)}}
    assert switches() == before


def test_switches_are_what_they_were_even_after_an_error():
    before = switches()
    with float32_arithmetic(tf32=True), pytest.raises(KeyError), float32_arithmetic(tf32=False):
        assert switches() == IEEE
        raise KeyError
    assert switches() == before
    torch.set_float32_matmul_precision("medium")
    try:
        with float32_arithmetic(tf32=False):
            assert switches() == IEEE
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
        torch.backends.cuda.matmul.fp32_precision = before[2]
