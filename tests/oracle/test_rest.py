"""What lies before the first pruned layer is computed once: losses against evaluating each pruned network."""

import pytest
import torch
from prunable_chains import images_of
from torch import Tensor, nn

from oraclecheck.engines.evaluation import evaluate
from oraclecheck.networks.resnet_cifar import ResNetCIFAR
from oraclecheck.oracle.rest import RestLosses
from oraclecheck.pruning.combination import LayerChoice
from oraclecheck.pruning.space import CombinationSpace
from oraclecheck.pruning.structured import as_released, prune

SHAPE = (3, 8, 8)
EXAMPLE = torch.zeros(1, *SHAPE)


class Written(nn.Module):
    """A network that writes into what it was given, and one with a branch that torch.fx cannot follow."""

    def __init__(self, branches: bool) -> None:
        super().__init__()
        self.branches = branches
        self.stem, self.conv, self.back = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 5, 3, padding=1), nn.Conv2d(5, 6, 1)
        self.head = nn.Linear(6, 3)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)
        if self.branches and x.sum() > 0:
            x = x + 1
        y = self.back(self.conv(x).relu_())
        x += y
        return self.head(x.relu_().mean((2, 3)))


CASES = {
    "residual": (lambda: ResNetCIFAR(8, 3, width=4), {"layer3.0.conv1": 1}),
    "two layers": (lambda: ResNetCIFAR(8, 3, width=4), {"layer1.0.conv1": 1, "layer2.0.conv1": 7}),
    "written": (lambda: Written(False), {"conv": 2}),
    "followed by nobody": (lambda: Written(True), {"conv": 2}),
}


@pytest.mark.parametrize("case", CASES)
def test_losses_are_those_of_evaluating_each_pruned_network(case):
    make, removed = CASES[case]
    torch.manual_seed(0)
    dense = make().eval()
    layers = [LayerChoice(name, len(dense.get_submodule(name).weight), gone) for name, gone in removed.items()]
    space = CombinationSpace(tuple(layers))
    images = images_of(SHAPE, 30, 3)
    losses = RestLosses(dense, space, lambda network, gone: prune(network, gone, EXAMPLE))
    sums = sum(losses.sums(*batch) for batch in images.batches(20))
    for place in range(0, space.size, 1 + space.size // 10):
        expected = evaluate(prune(dense, space.unrank(place), EXAMPLE), images).loss
        assert sums[place].item() / 30 == pytest.approx(expected, rel=1e-6)


def test_released_wiring():
    torch.manual_seed(0)
    dense, space = ResNetCIFAR(8, 3, width=4).eval(), CombinationSpace((LayerChoice("layer2.0.conv1", 8, 1),))
    behind = {"layer2.0.conv1": (3,)}
    losses = RestLosses(dense, space, lambda network, gone: prune(as_released(network, gone, behind), behind, EXAMPLE))
    images = images_of(SHAPE, 10, 3)
    sums = losses.sums(*next(images.batches(10)))
    for place in range(8):
        pruned = prune(as_released(dense, space.unrank(place), behind), behind, EXAMPLE)
        assert sums[place].item() / 10 == pytest.approx(evaluate(pruned, images).loss, rel=1e-6)


def test_only_the_rest_is_run():
    """A layer before the first pruned one sees each batch once, and once for each network that is checked."""
    dense, space = ResNetCIFAR(8, 3, width=4).eval(), CombinationSpace((LayerChoice("layer3.0.conv1", 16, 1),))
    losses = RestLosses(dense, space, lambda network, gone: prune(network, gone, EXAMPLE))
    losses.sums(*next(images_of(SHAPE, 4, 3).batches(4)))
    seen = []
    for network in [dense, *losses._networks]:
        network.conv1.register_forward_hook(lambda *_: seen.append(0))
    losses.sums(*next(images_of(SHAPE, 4, 3).batches(4)))
    assert len(seen) == 1
