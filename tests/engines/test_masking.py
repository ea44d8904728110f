"""Removed weights stay at zero while a network is retrained, bit for bit, whatever trains it."""

import copy
from dataclasses import replace
from itertools import product

import pytest
import torch
from torch.nn.functional import cross_entropy

from oraclecheck.data.images import ImageData, ImageSet
from oraclecheck.engines import lightning
from oraclecheck.engines.engine import Run
from oraclecheck.engines.masking import Masking
from oraclecheck.engines.recipe import Recipe
from oraclecheck.engines.trainer import TrainerSettings, fit
from oraclecheck.networks.lenet import LeNet5Mini
from oraclecheck.pruning.masks.network import count_removed, hold, mask, masked_weights, weights_of
from oraclecheck.pruning.masks.options import METHODS
from oraclecheck.pruning.masks.space import MaskedLayer, MaskSpace

LAYERS = ("conv1", "conv2", "conv3", "hidden.0", "classifier")
SPACE = MaskSpace(
    tuple(MaskedLayer(name, weight.numel()) for name, weight in weights_of(LeNet5Mini(), LAYERS).items()),
    0.5,
    METHODS,
    (0.0,),
)
OPTIMIZERS = {
    "momentum": {"momentum": 0.9, "weight_decay": 0.0},
    "weight decay": {"momentum": 0.9, "weight_decay": 0.1},
    "clipping": {"momentum": 0.9, "weight_decay": 1e-4, "gradient_clip": 0.1},
    "adamw": {"momentum": 0.9, "weight_decay": 0.3, "optimizer": "adamw"},
}


def some_images(n: int, seed: int) -> ImageSet:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (n, 1, 32, 32), dtype=torch.uint8, generator=generator)
    return ImageSet(images, torch.randint(0, 10, (n,), generator=generator), (0.5,), (0.25,))


DATA = ImageData(some_images(48, 0), some_images(16, 1))


def dense() -> LeNet5Mini:
    torch.manual_seed(0)
    return LeNet5Mini().to(memory_format=torch.channels_last)


def choice(method: str) -> dict:
    return next(found for found in map(SPACE.unrank, range(9)) if found["method"] == method)


def prune(network, removed):
    return mask(network, SPACE.masks(weights_of(network, LAYERS), removed))


def recipe(**said) -> Recipe:
    return Recipe(epochs=2, batch_size=16, schedule=((0, 0.05), (1, 0.005)), **said)


def bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().contiguous().view(torch.int32)


PRECISIONS = ("32-true", "tf32", "bf16-mixed")
EVERY = list(product(METHODS, OPTIMIZERS, PRECISIONS))
QUICK = {  # every method, every optimizer and every precision at least once
    ("uniform", "momentum", "32-true"),
    ("global", "weight decay", "bf16-mixed"),
    ("outlier", "clipping", "32-true"),
    ("components", "adamw", "tf32"),
    ("random", "adamw", "bf16-mixed"),
}


@pytest.mark.parametrize(
    ("method", "optimizer", "precision"),
    [each if each in QUICK else pytest.param(*each, marks=pytest.mark.slow) for each in EVERY],
)
def test_removed_weights_are_zero_after_retraining(method, optimizer, precision):
    network, trainer = dense(), TrainerSettings(accelerator="cpu", precision=precision)
    masks = SPACE.masks(weights_of(network, LAYERS), choice(method))
    runs = [Run(choice(method), 1)]
    (result,) = lightning.retrain(runs, network, prune, DATA, recipe(**OPTIMIZERS[optimizer]), trainer)
    assert not isinstance(result, Exception), result
    left = weights_of(result.network, LAYERS)
    before = weights_of(network, LAYERS)
    for name, removed in masks.items():
        assert not bits(left[name])[removed].any()  # also no sign on a zero
        assert removed.all() or not torch.equal(left[name][~removed], before[name][~removed])  # others are trained
    assert count_removed(result.network) == 2725  # half of 5,450


def test_quick_cases_leave_nothing_out():
    assert not QUICK - set(EVERY)
    assert [set(seen) for seen in zip(*QUICK, strict=True)] == [set(METHODS), set(OPTIMIZERS), set(PRECISIONS)]


def test_clipping_does_not_see_what_removed_weights_would_do():
    """The weights that are left go where plain steps of torch take them, clipped by the norm of their own gradients."""
    clipped = replace(recipe(momentum=0.9, weight_decay=0.01, gradient_clip=0.05), epochs=1)
    start = prune(dense(), choice("random"))
    expected, masked = copy.deepcopy(start), []
    for layer, removed in SPACE.masks(weights_of(dense(), LAYERS), choice("random")).items():
        masked.append((expected.get_submodule(layer).weight, removed))
    optimizer = torch.optim.SGD(expected.parameters(), lr=0.05, momentum=0.9, weight_decay=0.01)
    for images, labels in DATA.train.shuffled(16, 3):
        optimizer.zero_grad()
        cross_entropy(expected(images), labels).backward()
        for weight, removed in masked:
            weight.grad[removed] = 0
        assert torch.nn.utils.clip_grad_norm_(expected.parameters(), 0.05) > 0.05
        optimizer.step()
        for weight, removed in masked:
            weight.data[removed] = 0
    trained = fit(start, DATA.train, clipped, 3, TrainerSettings(accelerator="cpu"), [Masking()])
    for found, wanted in zip(trained.parameters(), expected.parameters(), strict=True):
        assert torch.allclose(found, wanted, rtol=1e-5, atol=1e-7)


def test_gradients_of_removed_weights_are_zero_before_the_step_though_they_are_not_finite():
    network = prune(dense(), choice("global"))
    (weight, removed), *_ = masked_weights(network)
    cross_entropy(network(torch.randn(4, 1, 32, 32)), torch.arange(4)).backward()
    weight.grad[removed] = float("nan")
    callback = Masking()
    callback._masked = masked_weights(network)
    callback.on_before_optimizer_step(None, None, None)
    assert torch.isfinite(weight.grad).all() and not weight.grad[removed].any() and weight.grad[~removed].any()


def test_a_masked_network_is_a_copy_and_its_masks_are_no_part_of_its_state():
    network = dense()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    masked = prune(network, choice("uniform"))
    assert masked.state_dict().keys() == before.keys()
    assert all(torch.equal(network.state_dict()[name], value) for name, value in before.items())
    assert masked_weights(network) == []
    with torch.no_grad():
        masked.conv1.weight.fill_(1.0)
    hold(masked_weights(masked))
    assert int((masked.conv1.weight == 0).sum()) == 125
