"""Rates that fall at every step, against transformers' schedule."""

from dataclasses import dataclass

import lightning as L
import pytest
import torch
from torch import nn

from oraclecheck.engines.recipe import Recipe
from oraclecheck.engines.trainer import TrainerSettings, fit
from oraclecheck.multimodal.questions import Encoded, Questions, QuestionSet

transformers = pytest.importorskip("transformers")


@dataclass(frozen=True)
class Numbers:
    """Reads a number n as three tokens."""

    def tokens(self, sample: int) -> Encoded:
        return Encoded([sample % 5, 1, 2], [1, 2])

    def image(self, sample: int) -> None:
        return None


class Bigrams(nn.Module):
    """Foretells a token by the one before it."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Embedding(5, 5)

    def forward(self, questions: Questions) -> torch.Tensor:
        return self.logits(questions.tokens[questions.rows, questions.columns])


class Rates(L.Callback):
    """Those of every step."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_before_optimizer_step(self, trainer, pl_module, optimizer) -> None:
        self.seen.append(optimizer.param_groups[0]["lr"])


@pytest.mark.parametrize("accumulate", [1, 2, 8])
@pytest.mark.parametrize("count", [16, 21])
def test_a_cosine_falls_at_every_step(count, accumulate):
    questions = QuestionSet(Numbers(), range(count), (3, 2, 2), 0)
    recipe = Recipe(2, 8, ((0, 2e-5),), 0.9, 0.3, optimizer="adamw", decay="cosine_by_step")
    rates, settings = Rates(), TrainerSettings(accelerator="cpu", accumulate=accumulate)
    fit(Bigrams(), questions, recipe, 1, settings, [rates])
    steps = 2 * -(-count // 8)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2e-5)
    schedule = transformers.get_cosine_schedule_with_warmup(optimizer, 0, steps)
    expected = []
    for _ in range(steps):
        expected.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert rates.seen == pytest.approx(expected, rel=1e-6)
    assert recipe.rate(1) == pytest.approx(expected[steps // 2]) == pytest.approx(1e-5)  # what a record says
