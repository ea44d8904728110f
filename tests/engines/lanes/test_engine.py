"""The lanes engine against the Lightning engine, and what an engine owes."""

import copy
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from engines.test_callbacks import CPU, DATA, RECIPE, REMOVED, dense, prune_as_said
from oraclecheck.data.images import ImageData
from oraclecheck.engines import lightning
from oraclecheck.engines.engine import Retraining, Run
from oraclecheck.engines.lanes.engine import LanesEngine
from oraclecheck.networks.lenet import LeNet5Mini
from oraclecheck.pruning.masks.network import mask, masked_weights
from oraclecheck.pruning.structured import as_released


def retrain(kernels: Path, network=None, seed=7, recipe=RECIPE, data=DATA, prune=prune_as_said) -> Retraining:
    (result,) = LanesEngine(kernels)([Run(REMOVED, seed)], network or dense(), prune, data, recipe, CPU)
    assert isinstance(result, Retraining), result
    return result


def usual(network=None, seed=7, recipe=RECIPE, data=DATA, prune=prune_as_said) -> Retraining:
    (result,) = lightning.retrain([Run(REMOVED, seed)], network or dense(), prune, data, recipe, CPU)
    return result


def largest_difference(one: nn.Module, other: nn.Module) -> float:
    """Over the parameters, the norm of the difference over the norm."""
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return max(((a - b).norm() / a.norm()).item() for a, b in pairs)


def wired_as_released(network: nn.Module, removed) -> nn.Module:
    behind = {"conv1": (1, 2, 3), "conv2": (0, 5)}
    return prune_as_said(as_released(network, removed, behind), behind)


COSINE = replace(RECIPE, schedule=((0, 0.05),), decay="cosine", momentum=0.0, weight_decay=0.01, batch_size=17)


def without_weights(network: nn.Module, removed) -> nn.Module:
    """Of each layer's weights those of a random half."""
    generator = torch.Generator().manual_seed(3)
    layers = {name: layer.weight for name, layer in network.named_modules() if hasattr(layer, "weight")}
    return mask(network, {name: torch.rand(w.shape, generator=generator) < 0.5 for name, w in layers.items()})


@pytest.mark.parametrize("recipe", [RECIPE, COSINE])
def test_masked_weights_stay_at_zero_and_the_others_end_where_lightnings_end(kernels, recipe):
    network = dense().to(memory_format=torch.channels_last)
    ours = retrain(kernels, network, recipe=recipe, prune=without_weights)
    theirs = usual(network, recipe=recipe, prune=without_weights)
    assert largest_difference(theirs.network, ours.network) < 1e-6
    assert ours.pruned_train.loss == pytest.approx(theirs.pruned_train.loss, rel=1e-6)
    masked = masked_weights(ours.network)
    assert len(masked) == 5
    for weight, removed in masked:
        assert 0.4 < removed.double().mean() < 0.6
        assert not weight[removed].view(torch.int32).any() and weight[~removed].all()


def test_masked_weights_stay_at_zero_where_the_others_diverge(kernels):
    (result,) = LanesEngine(kernels)(
        [Run(REMOVED, 7)], dense(), without_weights, DATA, replace(RECIPE, schedule=((0, 1e30),)), CPU
    )
    assert result.diverged
    assert not any(weight[removed].any() for weight, removed in masked_weights(result.network))


@pytest.mark.parametrize(("recipe", "prune"), [(RECIPE, prune_as_said), (COSINE, wired_as_released)])
def test_three_epochs_end_where_lightnings_end(kernels, recipe, prune):
    """Momentum and without, decay, both schedules, both wirings, a last batch that is smaller."""
    network = dense().to(memory_format=torch.channels_last)
    data = ImageData(DATA.train, DATA.test, DATA.train.subset(torch.arange(3, 40)))
    ours = retrain(kernels, network, recipe=recipe, data=data, prune=prune)
    theirs = usual(network, recipe=recipe, data=data, prune=prune)
    assert largest_difference(theirs.network, ours.network) < 1e-6
    for entry, expected in zip(ours.history, theirs.history, strict=True):
        assert entry == pytest.approx(expected, rel=1e-6) and entry.keys() == expected.keys()
    for part in ("pruned_train", "pruned_test", "final_train", "final_test"):
        found, expected = getattr(ours, part), getattr(theirs, part)
        assert found.loss == pytest.approx(expected.loss, rel=1e-6) and found.accuracy == expected.accuracy
        assert torch.equal(found.correct, expected.correct)
    assert ours.seconds.keys() == theirs.seconds.keys() and not ours.diverged


def test_repeats_are_bit_identical_and_seeds_matter(kernels):
    same, again, other = (retrain(kernels, seed=seed) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(same.network.parameters(), again.network.parameters(), strict=True))
    assert same.history == again.history != other.history
    assert same.pruned_train.loss == other.pruned_train.loss


def test_dense_network_is_not_changed(kernels):
    network = dense()
    before = copy.deepcopy(network.state_dict())
    retrain(kernels, network)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("rate", [1e30, 1e4])
def test_infinite_loss_ends_the_run_as_diverged(kernels, rate):
    recipe = replace(RECIPE, schedule=((0, rate),))
    ours, theirs = retrain(kernels, recipe=recipe), usual(recipe=recipe)
    assert ours.diverged and theirs.diverged and len(ours.history) == len(theirs.history)
    assert not all(map(math.isfinite, ours.history[-1].values()))


def test_run_that_raises_leaves_its_exception_in_its_place_and_others_go_on(kernels):
    runs, told = [Run(REMOVED, 1), Run({"conv1": (0, 99)}, 1), Run(REMOVED, 2)], []

    def tell(run, entry):
        told.append((run.seed, entry.get("epoch", "pruned")))

    results = list(LanesEngine(kernels)(runs, dense(), prune_as_said, DATA, RECIPE, CPU, tell))
    assert isinstance(results[1], ValueError) and "conv1" in str(results[1])
    alone = [retrain(kernels, seed=seed).final_test.loss for seed in (1, 2)]
    assert [results[0].final_test.loss, results[2].final_test.loss] == alone
    assert told == [(seed, what) for seed in (1, 2) for what in ("pruned", 0, 1, 2)]


def test_labels_beyond_the_networks_classes_are_refused(kernels):
    wrong = ImageData(replace(DATA.train, labels=DATA.train.labels + 1), DATA.test)
    (result,) = LanesEngine(kernels)([Run(REMOVED, 1)], dense(), prune_as_said, wrong, RECIPE, CPU)
    assert isinstance(result, ValueError) and "labels must lie in [0, 10)" in str(result)


@pytest.mark.parametrize(
    ("change", "key"),
    [({"optimizer": "adamw"}, "retrain.optimizer"), ({"label_smoothing": 0.1}, "retrain.label_smoothing")],
)
def test_recipe_that_kernels_do_not_follow_is_refused_by_the_engine_itself(kernels, change, key):
    with pytest.raises(ValueError, match=f"^{key} must be .* for engine=lanes; got"):
        retrain(kernels, recipe=replace(RECIPE, **change))


@pytest.mark.slow  # a dozen networks to compile
@pytest.mark.parametrize("filters", [10, 20, 30, 40])
@pytest.mark.parametrize("linears", [0, 1, 2, 3])
def test_every_variant_ends_where_lightnings_ends(kernels, filters, linears):
    """Of three networks: where a maximum of float32 is nearly a tie, the gradient of one pixel may go another way."""
    differences = []
    for seed in range(3):
        torch.manual_seed(seed)
        network = LeNet5Mini(conv1_filters=filters, extra_linears=linears)
        ours, theirs = retrain(kernels, network), usual(network)
        differences.append(largest_difference(theirs.network, ours.network))
    assert sorted(differences)[1] < 1e-6 and max(differences) < 1e-3
