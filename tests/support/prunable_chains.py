"""Chains with layers to prune, of shapes that fill nothing evenly, and images for them."""

import torch
from own_chain import OwnChain
from torch import nn

from oraclecheck.data.images import ImageSet
from oraclecheck.networks.lenet import LeNet5Mini
from oraclecheck.pruning.combination import LayerChoice
from oraclecheck.pruning.layers import filter_weights
from oraclecheck.pruning.space import CombinationSpace


class Wide(nn.Sequential):
    """Three channels, odd maps, a first layer that is left alone, two hidden layers."""

    def __init__(self) -> None:
        super().__init__(
            *(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(5 * 2 * 1, 6), nn.ReLU(), nn.Linear(6, 4), nn.Linear(4, 3)),
        )


CASES = {
    "one layer": (LeNet5Mini, (1, 32, 32), {"conv1": 2}),
    "two layers": (LeNet5Mini, (1, 32, 32), {"conv1": 1, "conv2": 9}),
    "first and last": (lambda: LeNet5Mini(extra_linears=2), (1, 32, 32), {"conv1": 1, "hidden.2": 2}),
    "three layers": (LeNet5Mini, (1, 32, 32), {"conv1": 1, "conv2": 1, "conv3": 9}),
    "the last hidden layer": (LeNet5Mini, (1, 32, 32), {"hidden.0": 5}),
    "layers in another order than in the network": (OwnChain, (1, 32, 32), {"conv2": 2}),
    "odd maps": (Wide, (3, 16, 13), {"3": 3, "7": 2}),
    "behind each other": (Wide, (3, 16, 13), {"0": 1, "3": 2}),
}


def images_of(shape, n, classes):
    """Random images of random classes."""
    pixels, labels = torch.randint(0, 256, (n, *shape), dtype=torch.uint8), torch.randint(0, classes, (n,))
    return ImageSet(images=pixels, labels=labels, mean=(0.4,) * shape[0], std=(0.2,) * shape[0])


def made(case):
    make, shape, removed = CASES[case]
    torch.manual_seed(1)
    network = make().eval()
    layers = tuple(LayerChoice(name, len(filter_weights(network, name)), gone) for name, gone in removed.items())
    return network, shape, CombinationSpace(layers)
