"""The methods, against weights side by side and NumPy, and on weights that can be looked at."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oraclecheck.pruning.masks.methods import component_shares, outlier_shares, removed_weights
from oraclecheck.pruning.masks.options import METHODS, BlockOptions


def some_weights(dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = {"conv1": (4, 1, 5, 5), "conv2": (6, 4, 3, 3), "fc": (5, 20), "one": (1, 1)}
    return {
        name: (torch.randn(shape, generator=generator) * scale).to(dtype)
        for (name, shape), scale in zip(shapes.items(), (1, 0.3, 2, 1), strict=True)
    }


@given(st.sampled_from(METHODS), st.integers(1, 99), st.sampled_from([0.0, 0.1, 1.0, 10.0]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_every_method_removes_exactly_as_many_weights(method, percent, noise, half):
    weights = some_weights(torch.bfloat16 if half else torch.float32)
    masks = removed_weights(weights, method, percent / 100, noise=noise, seed=1)
    assert sum(int(mask.sum()) for mask in masks.values()) == math.ceil(417 * percent / 100 - 1e-9)
    assert all(
        masks[name].shape == weight.shape and masks[name].dtype == torch.bool for name, weight in weights.items()
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_global_takes_the_least_of_all_magnitudes(dtype):
    weights = some_weights(dtype)
    masks = removed_weights(weights, "global", 0.37)
    magnitudes = np.concatenate([weight.abs().float().numpy().ravel() for weight in weights.values()])
    taken = np.zeros(417, bool)
    taken[np.argsort(magnitudes, kind="stable")[: math.ceil(0.37 * 417)]] = True
    assert np.array_equal(np.concatenate([mask.numpy().ravel() for mask in masks.values()]), taken)


@pytest.mark.parametrize("method", ["uniform", "outlier", "components"])
def test_in_a_layer_the_least_magnitudes_go(method):
    weights = some_weights()
    for name, mask in removed_weights(weights, method, 0.5).items():
        gone, left = weights[name][mask].abs(), weights[name][~mask].abs()
        assert not len(gone) or not len(left) or gone.max() <= left.min()


def test_uniform_takes_the_same_share_of_every_layer_and_all_of_none():
    masks = removed_weights(some_weights(), "uniform", 0.5)
    assert {name: int(mask.sum()) for name, mask in masks.items()} == {"conv1": 51, "conv2": 108, "fc": 50, "one": 0}


def test_blocks_with_more_outliers_lose_less():
    flat, spiky = torch.ones(10, 100), torch.ones(10, 100)
    spiky[0] = 100.0  # a tenth of the weights, nine times the mean of 10.9
    weights = {"a.flat": flat, "b.spiky": spiky}
    blocks = {name: name for name in weights}
    assert outlier_shares(weights, blocks, BlockOptions()) == {"a.flat": 0.0, "b.spiky": 0.1}
    masks = removed_weights(weights, "outlier", 0.5)
    assert {name: int(mask.sum()) for name, mask in masks.items()} == {"a.flat": 580, "b.spiky": 420}


def test_blocks_with_more_principal_components_lose_less():
    rows = torch.arange(10.0)
    line = torch.outer(rows, torch.ones(20))  # one direction explains everything
    everywhere = torch.eye(10, 20)  # centred, 9 directions explain the same each: 90 % need 9 of them
    shares = component_shares({"line": line, "eye": everywhere}, {"line": "A", "eye": "B"}, BlockOptions())
    assert shares == {"A": 0.1, "B": 0.9}
    together = component_shares({"line": line, "eye": everywhere}, {"line": "A", "eye": "A"}, BlockOptions())
    assert together == {"A": 0.5}
    assert component_shares({"same": torch.ones(3, 4)}, {"same": "A"}, BlockOptions()) == {"A": 0.0}


def test_components_are_those_of_numpy():
    weight = some_weights()["conv2"]
    rows = weight.flatten(1).double().numpy()
    variances = np.linalg.svd(rows - rows.mean(0), compute_uv=False) ** 2
    needed = int(np.argmax(np.cumsum(variances) >= 0.9 * variances.sum())) + 1
    assert component_shares({"l": weight}, {"l": "l"}, BlockOptions()) == {"l": needed / 6}


def test_block_is_what_the_expression_matches_at_the_beginning():
    options = BlockOptions(blocks=r"layer\d\.\d+")
    assert [options.block(name) for name in ("layer1.10.conv2", "fc")] == ["layer1.10", "fc"]


def test_noise_goes_from_the_method_to_chance():
    weights = {"layer": torch.rand(200, 200, generator=torch.Generator().manual_seed(0)) + 0.01}

    def shared(noise):
        without = removed_weights(weights, "global", 0.5)["layer"]
        return (removed_weights(weights, "global", 0.5, noise=noise, seed=3)["layer"] & without).sum().item() / 20_000

    same = [shared(noise) for noise in (0.0, 0.01, 0.3, 1.0, 10.0)]
    assert same == sorted(same, reverse=True)
    assert same[0] == 1.0
    assert same[1] > 0.99
    assert same[-1] == pytest.approx(0.5, abs=0.05)  # two random halves share a half


@pytest.mark.parametrize("method", METHODS)
def test_a_seed_decides_what_is_drawn(method):
    weights = some_weights()

    def masks(seed, noise=0.5):
        return torch.cat(
            [mask.flatten() for mask in removed_weights(weights, method, 0.5, noise=noise, seed=seed).values()]
        )

    assert torch.equal(masks(1), masks(1))
    assert not torch.equal(masks(1), masks(2))
    if method != "random":
        assert torch.equal(masks(1, noise=0.0), masks(2, noise=0.0))


def test_random_is_blind_to_weights():
    weights, others = some_weights(seed=0), some_weights(seed=1)
    one, other = (removed_weights(each, "random", 0.5, seed=5) for each in (weights, others))
    assert all(torch.equal(one[name], other[name]) for name in weights)
