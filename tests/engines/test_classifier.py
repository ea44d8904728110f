"""Fits against plain training loops."""

import copy
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy

from engines.test_callbacks import CPU, DATA, dense
from oraclecheck.data.images import ShuffledBatches
from oraclecheck.engines.recipe import Recipe
from oraclecheck.engines.trainer import fit

ADAMW = Recipe(
    epochs=3,
    batch_size=16,
    schedule=((0, 0.01),),
    momentum=0.8,
    weight_decay=0.3,
    optimizer="adamw",
    decay="cosine",
    label_smoothing=0.11,
    gradient_clip=0.05,
)


def test_adamw_with_cosine_smoothing_and_clipping_is_torchs():
    network, expected = dense(), copy.deepcopy(dense())
    optimizer = torch.optim.AdamW(expected.parameters(), lr=0.01, betas=(0.8, 0.999), weight_decay=0.3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 3)
    norms = []
    batches = ShuffledBatches(DATA.train, 16, 7)
    for _ in range(3):
        for images, labels in batches:
            optimizer.zero_grad()
            cross_entropy(expected(images), labels, label_smoothing=0.11).backward()
            norms.append(torch.nn.utils.clip_grad_norm_(expected.parameters(), 0.05).item())
            optimizer.step()
        scheduler.step()
    assert min(norms) > 0.05  # or clipping would not have been tested
    found = fit(network, DATA.train, ADAMW, 7, CPU, []).state_dict()
    for name, tensor in expected.state_dict().items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("change", [{"label_smoothing": 0.0}, {"gradient_clip": None}, {"decay": "step"}])
def test_each_part_of_a_recipe_matters(change):
    one, other = (fit(dense(), DATA.train, recipe, 7, CPU, []) for recipe in (ADAMW, replace(ADAMW, **change)))
    assert not torch.allclose(one.conv1.weight, other.conv1.weight, rtol=1e-5, atol=1e-7)
