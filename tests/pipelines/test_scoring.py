"""Pruned networks that are scored by their loss: how many are held at once."""

import pytest
import torch
from prunable_chains import images_of

from oraclecheck.engines.evaluation import evaluate
from oraclecheck.networks.resnet_cifar import ResNetCIFAR
from oraclecheck.pipelines import scoring
from oraclecheck.pipelines.scoring import StoredCombination
from oraclecheck.pruning.structured import prune

SHAPE = (3, 32, 32)


class Untraceable(ResNetCIFAR):
    def forward(self, images):
        return super().forward(images if images.sum() > 0 else images + 0)


@pytest.mark.parametrize(
    ("kind", "layer", "room", "groups"),
    [
        (ResNetCIFAR, "layer3.0.conv1", 2**30, [1, 4, 2]),
        (ResNetCIFAR, "layer3.0.conv1", 0, [1] * 7),
        (ResNetCIFAR, "conv1", 2**30, [1] * 7),  # the first layer: nothing comes before it
        (Untraceable, "layer3.0.conv1", 2**30, [1] * 7),
    ],
)
def test_networks_are_held_together_where_they_share_work_and_fit(monkeypatch, kind, layer, room, groups):
    found, evaluate_each = [], scoring.evaluate_each

    def noted(networks, images, prefix):
        found.append(len(networks))
        return evaluate_each(networks, images, prefix)

    monkeypatch.setattr(scoring, "evaluate_each", noted)
    monkeypatch.setattr(scoring, "TOGETHER", 4)
    monkeypatch.setattr(scoring, "ROOM", room)
    torch.manual_seed(0)
    dense, images = kind(8, 5, width=8).eval(), images_of(SHAPE, 20, 5)
    combinations = [StoredCombination(str(i), {layer: (i,)}) for i in range(7)]

    def pruned(network, removed):
        if layer != "conv1":
            return prune(network, removed, torch.zeros(1, *SHAPE))
        other = kind(8, 5, width=8)
        other.load_state_dict(network.state_dict())
        with torch.no_grad():
            other.conv1.weight[list(removed[layer])] = 0
        return other

    losses = [each.loss for each in scoring._evaluations(pruned, combinations, dense, images)]
    assert found == groups
    expected = [evaluate(pruned(dense, each.removed).eval(), images).loss for each in combinations]
    assert losses == pytest.approx(expected, rel=1e-6) and len(set(losses)) == 7
