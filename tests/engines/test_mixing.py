"""Mixup and cutmix against torchvision's soft labels and against a batch mixed by hand."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torchvision.transforms import v2

from engines.test_callbacks import CPU, DATA, RECIPE, dense
from oraclecheck.engines.classifier import Classifier
from oraclecheck.engines.mixing import Mixing
from oraclecheck.engines.trainer import fit
from oraclecheck.seeds import derive_seed

MIXUP, CUTMIX = replace(RECIPE, mixup=0.2), replace(RECIPE, cutmix=1.0)
BOTH = replace(MIXUP, cutmix=1.0, label_smoothing=0.11)


def batch(n: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, 3, 8, 8, generator=generator), torch.randint(0, 5, (n,), generator=generator)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 5))


def test_mixup_is_a_weighted_mean_with_the_predecessor():
    images, _ = batch()
    mixed, share = Mixing(MIXUP, 3)(images)
    assert 0 < share < 1
    assert torch.allclose(mixed, share * images + (1 - share) * images.roll(1, 0), atol=1e-6)


def test_cutmix_takes_a_rectangle_of_the_predecessor_of_the_share_it_says():
    images, _ = batch()
    mixed, share = Mixing(CUTMIX, 3)(images)
    foreign = mixed != images
    assert torch.equal(mixed[foreign], images.roll(1, 0)[foreign])
    patch = foreign[0, 0]
    assert torch.equal(patch, patch.any(1)[:, None] & patch.any(0)[None]) and (foreign == patch).all()
    assert share.item() == pytest.approx(1 - patch.double().mean().item(), abs=1e-6)


@pytest.mark.parametrize("recipe", [MIXUP, CUTMIX, BOTH])
def test_loss_is_that_of_torchvisions_soft_labels(recipe):
    images, labels = batch()
    ways = [v2.MixUp(alpha=recipe.mixup, num_classes=5)] if recipe.mixup else []
    ways += [v2.CutMix(alpha=recipe.cutmix, num_classes=5)] if recipe.cutmix else []
    generator = torch.Generator().manual_seed(derive_seed(7, "mixing"))
    module = Classifier(network(), recipe, seed=7)
    for _ in range(4):
        torch.manual_seed(int(torch.randint(0, 2**62, (), generator=generator)))
        mixed, targets = v2.RandomChoice(ways)(images, labels)
        expected = cross_entropy(module.network(mixed), targets, label_smoothing=recipe.label_smoothing)
        assert module.training_step((images, labels), 0).item() == pytest.approx(expected.item(), rel=1e-5)


def test_recipe_without_mixing_draws_nothing_and_mixes_nothing():
    assert not Mixing(RECIPE, 0)
    images, labels = batch()
    module = Classifier(network(), RECIPE)
    expected = cross_entropy(module.network(images), labels)
    assert torch.equal(module.training_step((images, labels), 0), expected)


def test_mixing_leaves_the_generator_of_networks_alone_and_differs_between_batches():
    images, _ = batch()
    mixing = Mixing(BOTH, 0)
    before = torch.random.get_rng_state()
    first, second = mixing(images)[0], mixing(images)[0]
    assert torch.equal(torch.random.get_rng_state(), before) and not torch.equal(first, second)


def test_seed_decides_what_is_trained():
    losses = []
    for seed in (1, 1, 2):
        trained = fit(dense(), DATA.train, BOTH, seed, CPU, [])
        losses.append(next(trained.parameters()).double().sum().item())
    assert losses[0] == losses[1] != losses[2]
