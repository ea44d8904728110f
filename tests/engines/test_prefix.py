"""What pruned networks have in common is computed once: evaluations against running each network whole."""

import pytest
import torch
from prunable_chains import images_of

from oraclecheck.engines.evaluation import evaluate, evaluate_each
from oraclecheck.engines.prefix import Prefix, sharing
from oraclecheck.networks.resnet_cifar import ResNetCIFAR
from oraclecheck.pruning.structured import prune

SHAPE = (3, 32, 32)
EXAMPLE = torch.zeros(1, *SHAPE)


@pytest.fixture(scope="module")
def resnet():
    torch.manual_seed(0)
    return ResNetCIFAR(8, 5, width=4).eval()


def pruned_copies(dense, layer, count):
    return [sharing(prune(dense, {layer: (i,)}, EXAMPLE).eval(), dense) for i in range(count)]


@pytest.mark.parametrize("layer", ["layer1.0.conv1", "layer3.0.conv1"])
def test_evaluations_are_those_of_whole_networks(resnet, layer):
    networks, images = pruned_copies(resnet, layer, 3), images_of(SHAPE, 60, 5)
    for network, found in zip(networks, evaluate_each(networks, images, Prefix(resnet, networks)), strict=True):
        expected = evaluate(network, images)
        assert found.loss == pytest.approx(expected.loss, rel=1e-6)
        assert found.accuracy == expected.accuracy and torch.equal(found.correct, expected.correct)


def test_prefix_covers_what_changes_no_more_than_it_was_made_for(resnet):
    early, late = pruned_copies(resnet, "layer1.0.conv1", 1), pruned_copies(resnet, "layer3.0.conv1", 2)
    assert Prefix(resnet, late[:1]).covers(late) and not Prefix(resnet, late).covers(early)
    both = [*late, *early]
    images = images_of(SHAPE, 20, 5)
    for network, found in zip(both, evaluate_each(both, images, Prefix(resnet, both)), strict=True):
        assert found.loss == pytest.approx(evaluate(network, images).loss, rel=1e-6)


def test_what_comes_before_the_change_is_run_once(resnet):
    networks = pruned_copies(resnet, "layer3.0.conv1", 4)
    prefix, images = Prefix(resnet, networks), images_of(SHAPE, 10, 5)
    evaluate_each(networks, images, prefix)  # which looks whether they agree
    seen = []
    for network in [resnet, *networks]:
        network.conv1.register_forward_hook(lambda *_: seen.append(0))
    evaluate_each(networks, images, prefix)
    assert len(seen) == 1
