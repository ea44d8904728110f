"""Captured steps, without a GPU: that nothing in them changes from step to step but what is in tensors."""

from itertools import product

import pytest
import torch
from replaying import Replayed, replayed

from engines.stacked.test_engine import BATCH_NORM, CASES, retrain, same
from oraclecheck.engines.stacked import capture, step
from oraclecheck.engines.trainer import TrainerSettings


def captures(monkeypatch, played: list[Replayed]) -> None:
    """Have steps on the CPU captured too."""

    class Captured(capture.Captured):
        def __init__(self, work, device, again, after=None):
            super().__init__(work, torch.device("meta"), again, after)
            self._work, self._graph = None, replayed(work, again, after)
            played.append(self._graph)

    monkeypatch.setattr(step, "Captured", Captured)


QUICK = {("LeNet5-Mini, AdamW, label smoothing, cosine", 3, "32-true"), (BATCH_NORM, 1, "bf16-mixed")}


@pytest.mark.parametrize(
    ("case", "networks", "precision"),
    [
        pytest.param(*each, marks=[] if each in QUICK else [pytest.mark.slow])
        for each in product(CASES, (1, 3), ("32-true", "bf16-mixed"))
    ],
)
def test_steps_that_are_played_again_do_what_steps_do(case, networks, precision, monkeypatch):
    trainer, played = TrainerSettings("cpu", precision), []
    expected = retrain(case, networks=networks, trainer=trainer)
    captures(monkeypatch, played)
    found = retrain(case, networks=networks, trainer=trainer)
    assert len(played) == 2 and all(map(same, found, expected))


def test_what_is_played_knows_no_number_of_pythons_that_came_later():
    """As on a GPU; else the test above would show nothing."""
    total, step = torch.zeros(1), [1.0]
    graph = replayed(lambda: total.add_(step[0] * torch.ones(1)), total.zero_, None)
    step[0] = 100.0
    graph.replay()
    assert total.item() == 2.0


@pytest.mark.parametrize("ask", [torch.Tensor.item, torch.Tensor.nonzero, torch.rand_like])
def test_what_asks_a_device_or_chance_is_not_captured(ask):
    with pytest.raises(AssertionError, match="in a capture"):
        replayed(lambda: ask(torch.zeros(1)), lambda: None, None)
