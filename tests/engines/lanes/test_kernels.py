"""Losses and gradients against PyTorch in float64, on shapes that fill no vector, block or row evenly."""

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from oraclecheck.data.images import ImageSet
from oraclecheck.engines.lanes.chain import chain_of
from oraclecheck.engines.lanes.library import Library, library_of
from oraclecheck.networks.lenet import LeNet5Mini

MEAN, STD = 0.4, 0.25


def conv(inputs: int, filters: int, kernel: int, pool_first: bool = True) -> list[nn.Module]:
    behind = [nn.MaxPool2d(2), nn.ReLU()]
    return [nn.Conv2d(inputs, filters, kernel), *(behind if pool_first else behind[::-1])]


NETWORKS = {
    "odd maps, three channels": (
        (3, 21, 18),
        [*conv(3, 5, 3), *conv(5, 7, 3, False), nn.Conv2d(7, 40, 3), nn.ReLU(), nn.Flatten(), nn.Linear(40, 10)],
    ),
    "rows wider than the registers": (
        (1, 12, 64),
        [*conv(1, 4, 3), *conv(4, 1, 3), nn.Flatten(), nn.Linear(14, 5)],
    ),
    "linear layers alone": (
        (1, 8, 8),
        [nn.Flatten(), nn.Linear(64, 33), nn.ReLU(), nn.Linear(33, 7), nn.Linear(7, 3)],
    ),
    "kernels of 7": ((1, 16, 14), [*conv(1, 3, 7), nn.Flatten(), nn.Linear(60, 4)]),
    "LeNet5-Mini, 40 filters": ((1, 32, 32), [LeNet5Mini(conv1_filters=40, extra_linears=3)]),
}


def images_of(shape: tuple[int, ...], n: int, classes: int) -> ImageSet:
    generator = torch.Generator().manual_seed(n)
    pixels = torch.randint(0, 256, (n, *shape), dtype=torch.uint8, generator=generator)
    channels = shape[0]
    return ImageSet(pixels, torch.randint(0, classes, (n,), generator=generator), (MEAN,) * channels, (STD,) * channels)


def network_of(layers: list[nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential(*copy.deepcopy(layers))
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2)
    return network


def flat(network: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().reshape(-1) for parameter in network.parameters()])


def gradient(library: Library, network: nn.Module, images: ImageSet, order: torch.Tensor) -> tuple[float, torch.Tensor]:
    """Mean loss of one step and its gradient, which is the velocity after it."""
    parameters, velocity = flat(network), torch.zeros(library.parameters)
    losses = library.train(parameters, velocity, images, order, len(order), 0.0, 0.9, 0.0)
    assert torch.equal(parameters, flat(network))
    return losses.item(), velocity


SLOW = ("kernels of 7", "LeNet5-Mini, 40 filters")  # to compile


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in NETWORKS])
def test_kernels_compute_what_float64_computes(kernels, name):
    shape, layers = NETWORKS[name]
    network = network_of(layers)
    chain = chain_of(network, shape)
    library = library_of(chain, kernels)
    assert library.parameters == sum(parameter.numel() for parameter in network.parameters())
    for n in (1, 15, 16, 17, 50):
        images = images_of(shape, 50, library.classes)
        order = torch.randperm(50, generator=torch.Generator().manual_seed(n))[:n].contiguous()
        exact = copy.deepcopy(network).double()
        logits = exact((images.images.double() / 255 - MEAN) / STD)
        loss = cross_entropy(logits[order], images.labels[order])
        loss.backward()
        mean_loss, found = gradient(library, network, images, order)
        assert mean_loss == pytest.approx(loss.item(), rel=1e-6)
        at = 0
        for name_of, parameter in exact.named_parameters():
            here = found[at : at + parameter.numel()].view_as(parameter)
            error = (here - parameter.grad).norm() / parameter.grad.norm().clamp(min=1e-6)
            assert error < 3e-6, (name_of, n, error)
            at += parameter.numel()
        measured = library.evaluate(flat(network), images)
        assert measured.loss == pytest.approx(cross_entropy(logits, images.labels).item(), rel=1e-6)
        assert torch.equal(measured.correct, logits.argmax(1) == images.labels)


@pytest.fixture
def small(kernels) -> tuple[Library, nn.Module, ImageSet]:
    shape, layers = NETWORKS["rows wider than the registers"]
    network = network_of(layers)
    return library_of(chain_of(network, shape), kernels), network, images_of(shape, 40, 5)


def test_steps_are_those_of_pytorchs_sgd(small):
    """Momentum and weight decay, the last batch smaller, along two epochs."""
    library, network, images = small
    exact = copy.deepcopy(network).double()
    optimizer = torch.optim.SGD(exact.parameters(), lr=0.05, momentum=0.8, weight_decay=0.01)
    parameters, velocity = flat(network), torch.zeros(library.parameters)
    for epoch, rate in enumerate((0.05, 0.02)):
        order = torch.randperm(40, generator=torch.Generator().manual_seed(epoch))
        losses = library.train(parameters, velocity, images, order, 17, rate, 0.8, 0.01)
        optimizer.param_groups[0]["lr"] = rate
        for batch, mean_loss in zip(order.split(17), losses, strict=True):
            loss = cross_entropy(exact((images.images[batch].double() / 255 - MEAN) / STD), images.labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            assert mean_loss.item() == pytest.approx(loss.item(), rel=1e-5)
    torch.testing.assert_close(parameters.double(), flat(exact), rtol=1e-5, atol=1e-7)


def test_repeats_are_bit_identical(small):
    library, network, images = small
    found = []
    for _ in range(2):
        parameters, velocity = flat(network), torch.zeros(library.parameters)
        library.train(parameters, velocity, images, torch.arange(40), 16, 0.1, 0.9, 1e-4)
        found.append(parameters)
    assert torch.equal(*found) and not torch.equal(found[0], flat(network))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("layer", ["0.weight", "0.bias", "3.weight", "7.bias"])
def test_nan_and_infinity_reach_the_loss_as_in_pytorch(small, layer, value):
    """A max-pool by comparison alone would drop a NaN, and a diverged run would go on with an innocent loss."""
    library, network, images = small
    with torch.no_grad():
        network.get_parameter(layer).view(-1)[0] = value
        logits = network((images.images.float() / 255 - MEAN) / STD)
        expected = cross_entropy(logits, images.labels, reduction="none").double().mean().item()
    measured = library.evaluate(flat(network), images)
    assert math.isfinite(measured.loss) == math.isfinite(expected)
    if math.isfinite(expected):
        assert measured.loss == pytest.approx(expected, rel=1e-5)
    assert torch.equal(measured.correct, logits.argmax(1) == images.labels)
    velocity, order = torch.zeros(library.parameters), torch.arange(40)
    losses = library.train(flat(network), velocity, images, order, 40, 0.0, 0.9, 0.0)
    assert math.isfinite(losses.item()) == math.isfinite(expected)


def test_one_nan_of_four_is_what_the_pool_gives(kernels):
    """Whichever of the four positions it takes: without it ReLU would be off, and the loss innocent."""
    network = nn.Sequential(*conv(1, 1, 3), nn.Flatten(), nn.Linear(1, 2))
    library = library_of(chain_of(network, (1, 4, 4)), kernels)
    torch.manual_seed(0)
    for place in range(4):
        images = ImageSet(torch.full((1, 1, 4, 4), 255, dtype=torch.uint8), torch.zeros(1).long(), (0.0,), (1.0,))
        with torch.no_grad():
            network[0].weight[:] = 0.0
            network[0].weight[0, 0, 1, 1] = -math.inf  # times 0 it is NaN, times 1 minus infinity
        assert library.evaluate(flat(network), images).loss < 10
        images.images[0, 0, 1 + place // 2, 1 + place % 2] = 0
        assert math.isnan(library.evaluate(flat(network), images).loss)


def test_gradient_does_not_depend_on_what_fills_the_last_tile(small):
    """Lanes without an image count for nothing: 17 images in one batch weigh as 16 and 1."""
    library, network, images = small
    order = torch.arange(17)
    loss, together = gradient(library, network, images, order)
    parts = [gradient(library, network, images, part.contiguous()) for part in (order[:16], order[16:])]
    assert loss == pytest.approx((16 * parts[0][0] + parts[1][0]) / 17, rel=1e-6)
    torch.testing.assert_close(together, (16 * parts[0][1] + parts[1][1]) / 17, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "order", "reason"),
    [
        ({}, torch.arange(20) + 30, r"^order must lie in \[0, 40\)"),
        ({}, torch.arange(20) - 1, "^order must lie in"),
        ({}, torch.arange(20).int(), "^order must be torch.int64"),
        ({"labels": torch.full((40,), 5)}, torch.arange(20), r"^the data's labels must lie in \[0, 5\)"),
        ({"labels": torch.full((40,), -1)}, torch.arange(20), "^the data's labels"),
        ({"images": torch.zeros(40, 1, 11, 64, dtype=torch.uint8)}, torch.arange(20), "^images must"),
        ({"images": torch.zeros(40, 1, 12, 64)}, torch.arange(20), "^images must"),
    ],
)
def test_what_kernels_index_by_is_checked(small, changes, order, reason):
    library, network, images = small
    with pytest.raises(ValueError, match=reason):
        wrong = replace(images, **changes)
        library.train(flat(network), torch.zeros(library.parameters), wrong, order, 10, 0.1, 0.9, 0.0)
