"""Losses of all combinations of a chain against pruning and evaluating each."""

import itertools

import pytest
import torch
from prunable_chains import CASES, images_of, made
from torch.nn.functional import cross_entropy

from oraclecheck.oracle.chain import ChainLosses, PrunedChain
from oraclecheck.oracle.choices import Choices
from oraclecheck.oracle.images import by_class
from oraclecheck.pruning.combination import LayerChoice
from oraclecheck.pruning.structured import as_released, prune

SAME = 1e-5  # relative, of few images: PyTorch's own float32 losses of confident networks are no nearer to float64's


def assert_true(sums, network, space, images, labels, behind=None):
    """Some of the sums are what pruning and a loss in float64 give."""
    found = []
    chosen = [*range(0, space.size, 1 + space.size // 9), space.size - 1]
    for index in chosen:
        removed = space.unrank(index)
        dense, gone = (network, removed) if behind is None else (as_released(network, removed, behind), behind)
        pruned = prune(dense, gone, images[:1]).double()
        found.append(cross_entropy(pruned(images.double()), labels, reduction="sum").item())
    assert sums.shape == (space.size,)
    torch.testing.assert_close(sums[chosen], torch.tensor(found, dtype=torch.float64), rtol=SAME, atol=1e-6)


COMPILED = ("two layers", "first and last", "odd maps")  # compiling takes seconds


@pytest.mark.parametrize(
    ("case", "way"), [*((case, "PyTorch") for case in CASES), *((case, "kernels") for case in COMPILED)]
)
def test_losses_are_those_of_pruning_each_combination(case, way, compiled):
    network, shape, space = made(case)
    chain = PrunedChain(network, shape, space.layers)
    images = torch.randn(7, *shape)
    labels = torch.full((7,), 2)
    losses = ChainLosses(chain, compiled if way == "kernels" else None)
    assert losses.size == space.size
    assert_true(losses.sums(images, labels), network, space, images, labels)
    fewer = images[:3], labels[:3]  # after more of them, in the same memory
    assert_true(losses.sums(*fewer), network, space, *fewer)


@pytest.mark.parametrize("way", ["PyTorch", "kernels"])
@pytest.mark.parametrize("case", ["two layers", "behind each other", "odd maps"])
def test_losses_of_the_released_wiring(case, way, compiled):
    network, shape, space = made(case)
    images, labels = torch.randn(5, *shape), torch.full((5,), 1)
    behind = space.unrank(space.size // 2)
    chain = PrunedChain(network, shape, space.layers, behind)
    kernels = way == "kernels" and chain.ends_in_products
    sums = ChainLosses(chain, compiled if kernels else None).sums(images, labels)
    assert_true(sums, network, space, images, labels, behind)


@pytest.mark.parametrize("way", ["PyTorch", "kernels"])
def test_large_logits_do_not_overflow(way, compiled):
    network, shape, space = made("two layers")
    with torch.no_grad():
        network.classifier.weight *= 1e4
    images, labels = torch.randn(5, *shape), torch.full((5,), 1)
    chain = PrunedChain(network, shape, space.layers)
    sums = ChainLosses(chain, compiled if way == "kernels" else None).sums(images, labels)
    assert sums.isfinite().all() and sums.max() > 500
    assert_true(sums, network, space, images, labels)


def test_sums_share_their_beginnings():
    """C(10, 5) choices have 461 different beginnings; every sum is that of its choice."""
    choices = Choices(LayerChoice("conv", 10, 5))
    shares = torch.randn(10, 2, 1, 1, 3, dtype=torch.float64)
    bias = torch.randn(2, dtype=torch.float64)
    beginnings = {kept[: i + 1] for kept in choices.kept for i in range(5)}
    assert len(choices.kept) == 252 and len(beginnings) == 461
    removed = itertools.combinations(range(10), 5)
    for gone, kept, sums in zip(removed, choices.kept, choices.sums(shares, bias), strict=True):
        assert {*gone} | {*kept} == {*range(10)}
        torch.testing.assert_close(sums, shares[list(kept)].sum(0) + bias.view(-1, 1, 1, 1), rtol=1e-12, atol=1e-12)


def test_groups_hold_one_class_each_and_every_image_once():
    images = images_of((1, 4, 4), 1203, 5)
    groups = list(by_class(images, 64))
    assert all(len(labels.unique()) == 1 and len(part) == len(labels) <= 64 for part, labels in groups)
    ((whole, labels),) = images.batches(1203)
    order = lambda x, y: sorted(zip(y.tolist(), map(tuple, x.flatten(1).tolist()), strict=True))  # noqa: E731
    found = torch.cat([part for part, _ in groups]), torch.cat([labels for _, labels in groups])
    assert order(*found) == order(whole, labels)
    assert sum(len(labels) < 64 for _, labels in groups) <= 5
