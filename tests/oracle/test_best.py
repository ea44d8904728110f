"""Branch and bound against the losses of all combinations."""

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prunable_chains import images_of, made
from torch.nn.functional import cross_entropy

from oraclecheck.oracle import best
from oraclecheck.oracle.best import Best, BestSearch, units_of
from oraclecheck.oracle.chain import ChainLosses, PrunedChain
from oraclecheck.oracle.images import by_class

SAME = 1e-5  # relative, of few images: see test_chain.py
CLASSES = 3  # that there are images of


def first_layer(chain, images):
    values = images.permute(1, 2, 3, 0).contiguous()
    for stage in chain.stages[: chain.pruned[0] + 1]:
        values = stage(values)
    return values


def assert_best_of_the_whole_table(network, shape, space, behind, images, top, cache, **same):
    """The search finds the first of the sorted table; gives how much of the table it computed."""
    losses = ChainLosses(PrunedChain(network, shape, space.layers, behind))
    groups = sorted(by_class(images, 60), key=lambda group: int(group[1][0]))
    table = sum(losses.sums(*group) for group in groups)
    chain = PrunedChain(network, shape, space.layers, behind)
    values = torch.cat([first_layer(chain, images) for images, _ in groups], 3)
    ends = [
        sum(len(labels) for _, labels in groups if labels[0] <= label) for label in range(len(chain.stages[-1].bias))
    ]
    found = Best(top)
    search = BestSearch(chain, values, ends, cache)
    computed = sum(search(unit, found) for unit in units_of(chain))
    expected = table.sort(stable=True)
    assert list(found.found().values()) == pytest.approx(expected.values[:top].tolist(), **(same or {"rel": 1e-6}))
    for place, score in found.found().items():  # of scores that are equal but for rounding, either may come first
        assert score == pytest.approx(table[place].item(), **(same or {"rel": 1e-6}))
    return computed / table.numel() / len(images)


def scaled(network, factor):
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= factor


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(best, "FIRST", 3)
    monkeypatch.setattr(best, "BLOCK", 4)
    monkeypatch.setattr(best, "COLUMNS", 20)


@pytest.mark.parametrize("case", ["the last hidden layer", "first and last", "three layers", "two layers", "odd maps"])
@pytest.mark.parametrize("wired", ["correct", "released"])
def test_best_combinations_are_those_of_the_whole_table(case, wired, small_blocks):
    network, shape, space = made(case)
    scaled(network, 2)  # losses that differ
    behind = space.unrank(space.size // 2) if wired == "released" else None
    share = assert_best_of_the_whole_table(network, shape, space, behind, images_of(shape, 120, CLASSES), 7, None)
    assert share < 1 or case == "the last hidden layer"  # one unit, which nothing bounds


def test_choices_of_the_last_layer_but_one_need_not_share_sums(small_blocks, monkeypatch):
    network, shape, space = made("three layers")
    monkeypatch.setattr(best, "MOST_SHARED", 0)
    assert_best_of_the_whole_table(network, shape, space, None, images_of(shape, 60, CLASSES), 7, None)


@pytest.mark.parametrize("wired", ["correct", "released"])
def test_kernels_find_the_same_and_compute_less(wired, compiled):
    network, shape, space = made("first and last")
    scaled(network, 3)
    behind = space.unrank(space.size // 2) if wired == "released" else None
    share = assert_best_of_the_whole_table(network, shape, space, behind, images_of(shape, 400, CLASSES), 7, compiled)
    assert share < 0.9


@example(seed=2**31 - 1, count=1, top=1, factor=2.0)
@example(seed=177, count=1, top=6, factor=3.0)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 90), top=st.integers(1, 40), factor=st.floats(0.5, 3))
def test_any_network_on_any_images(seed, count, top, factor, compiled):
    network, shape, space = made("first and last")
    torch.manual_seed(seed)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    scaled(network, factor)
    images = images_of(shape, count, CLASSES)
    # of logits of thousands, as factor 3 makes them, float32 leaves a loss to 1e-4 and worse
    logits = network((images.images / 255 - 0.4) / 0.2).abs().max().item()
    same = {"rel": SAME, "abs": max(1e-6, 1e-7 * logits)}
    assert_best_of_the_whole_table(network, shape, space, None, images, top, compiled, **same)


@pytest.mark.parametrize("factor", [0.3, 3, 10, 30, 300])
def test_bound_of_each_image_lies_below_its_loss(factor, compiled):
    """In a sum over images what is too much for one would be made up for by the others."""
    network, shape, space = made("first and last")
    chain = PrunedChain(network, shape, space.layers)
    head, weight, bias = chain.head(compiled), network.classifier.weight.double(), network.classifier.bias.double()
    kept = torch.tensor(chain.choices[-1].kept)
    for label in range(10):
        for _ in range(40):
            values = factor * torch.rand(10, 1, 1, 1)
            logits = torch.einsum("lck,ck->cl", weight[:, kept], values[:, 0, 0, 0].double()[kept]) + bias
            losses = cross_entropy(logits, torch.full((len(kept),), label), reduction="none").detach()
            bounds, _ = head.bounds(values, [0] * label + [1] * (10 - label), float("inf"))
            assert (bounds <= losses + 1e-7).all() and (losses.clamp(max=80) <= bounds + 0.125).all()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), factor=st.floats(0, 100), part=st.floats(0, 1.2))
def test_bounds_lie_below_the_losses_and_near_them(seed, factor, part, compiled):
    network, shape, space = made("first and last")
    torch.manual_seed(seed)
    chain = PrunedChain(network, shape, space.layers)
    counts = torch.randint(0, 60, (10,)).tolist()
    ends = torch.tensor(counts).cumsum(0).tolist()
    head, values = chain.head(compiled), factor * torch.randn(10, 1, 1, ends[-1])
    hidden, last = chain.stages[-2:]  # behind hidden.2, the last pruned layer
    assert hidden.weight.shape[0] == 10
    labels = torch.repeat_interleave(torch.arange(10), torch.tensor(counts))
    expected = []
    for kept in chain.choices[-1].kept:
        there = values[list(kept), 0, 0].double()
        if len(chain.stages) - 1 - chain.pruned[-1] == 1:  # the classifier alone
            logits = last.weight[:, list(kept), 0, 0].double() @ there + last.bias.double()[:, None]
        expected.append(cross_entropy(logits.T, labels, reduction="sum"))
    expected = torch.stack(expected).detach()
    whole, computed = head.bounds(values, ends, float("inf"))
    assert computed == len(expected) * ends[-1]
    slack = 1e-4 * expected + 1e-6
    assert (whole <= expected + slack).all()
    low = expected - whole
    likely = labels.numel() * 0.125
    assert (low <= likely + slack).all() or factor * network.classifier.weight.abs().max() > 3
    limit = part * expected.median().item()
    bounds, less = head.bounds(values, ends, limit)
    assert less <= computed and (bounds <= expected + slack).all()
    out = bounds > limit
    torch.testing.assert_close(bounds[~out], whole[~out])
    assert out[whole > limit * (1 + 1e-9)].all()
