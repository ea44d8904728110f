"""Taylor's and Fisher's scores against loops, torch-pruning, and what removing a filter does to the loss."""

import copy

import pytest
import torch
import torch_pruning as tp
from tiny_images import CLASSES, DoubleImages, normalised_network, plain_network, tiny_images
from torch import nn
from torch.nn.functional import cross_entropy

from oraclecheck.criteria.gradients import fisher, taylor
from oraclecheck.networks.attention import SelfAttention
from oraclecheck.pruning.structured import prune

NETWORKS = {
    "plain": (plain_network, {"0": "0", "2": "2", "5": "5"}),
    "normalised": (normalised_network, {"0": "1", "3": "4"}),
}
"""A network, and layer -> the module whose parameters silence its filters."""


def gradients_of(network, images, labels):
    network = copy.deepcopy(network).eval()
    cross_entropy(network(images), labels).backward()
    return network


def sums(module, of):
    """of(parameter) added up over each filter's parameters."""
    return sum(of(each).double().flatten(1 if each.ndim > 1 else 0).view(len(each), -1).sum(1)
               for each in module.parameters())  # fmt: skip


@pytest.mark.parametrize("kind", NETWORKS)
def test_taylor_is_the_mean_square_over_batches(kind):
    make, owners = NETWORKS[kind]
    network, data = make(), tiny_images()
    found = taylor(network, data, list(owners), images=None, batch_size=8)
    for layer, owner in owners.items():
        expected = []
        for images, labels in data.batches(8):
            module = gradients_of(network, images, labels).get_submodule(owner)
            expected.append(sums(module, lambda each: each.grad * each.detach()).square())
        torch.testing.assert_close(found[layer], torch.stack(expected).mean(0), rtol=1e-4, atol=1e-12)


@pytest.mark.parametrize("kind", NETWORKS)
def test_fisher_is_the_mean_over_images_one_at_a_time(kind):
    make, owners = NETWORKS[kind]
    network, data = make(), tiny_images(7)
    found = fisher(network, data, list(owners), images=None, batch_size=3)
    for layer, owner in owners.items():
        expected = []
        for images, labels in data.batches(1):
            module = gradients_of(network, images, labels).get_submodule(owner)
            expected.append(sums(module, lambda each: each.grad.square() * each.detach().square()) / 2)
        torch.testing.assert_close(found[layer], torch.stack(expected).mean(0), rtol=1e-4, atol=1e-12)


@pytest.mark.parametrize("kind", NETWORKS)
def test_taylor_is_what_removing_a_weak_filter_does_to_the_loss(kind):
    """To first order the root of the score is the change of the loss, for networks pruned in earnest."""
    make, owners = NETWORKS[kind]
    data = DoubleImages(**vars(tiny_images()))
    images, labels = next(data.batches(100))
    for layer, owner in owners.items():
        for chosen in range(3):
            network = make().double().eval()
            for parameter in network.get_submodule(owner).parameters():
                parameter.data[chosen] *= 1e-5
            score = taylor(network, data, [layer], images=None, batch_size=100)[layer][chosen]
            pruned = prune(network, {layer: (chosen,)}, images[:1])
            change = cross_entropy(pruned(images), labels) - cross_entropy(network(images), labels)
            assert score.sqrt().item() == pytest.approx(abs(change.item()), rel=0.01)


def test_taylor_is_torch_prunings_where_that_is_right():
    """Without BatchNorm and biases, in a single batch."""
    torch.manual_seed(3)
    layers = nn.Conv2d(1, 4, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(64, CLASSES)
    network, data = nn.Sequential(*layers).eval(), tiny_images()
    graph = tp.DependencyGraph().build_dependency(network, (torch.zeros(1, 1, 6, 6),))
    images, labels = next(data.batches(100))
    cross_entropy(network(images), labels).backward()
    group = graph.get_pruning_group(network[0], tp.prune_conv_out_channels, list(range(4)))
    importance = tp.importance.TaylorImportance(group_reduction="first", normalizer=None, multivariable=True)
    expected = importance(group).double().square()
    found = taylor(network, data, ["0"], images=None, batch_size=100)["0"]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-12)


def test_scores_of_heads_are_those_of_their_values():
    class Attending(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention, self.classifier = SelfAttention(6, 3), nn.Linear(36, CLASSES)

        def forward(self, images):
            x = images[:, 0]
            return self.classifier(self.attention(x, x, x)[0].flatten(1))

    torch.manual_seed(4)
    network, data = Attending(), tiny_images()
    found = taylor(network, data, ["attention"], images=None, batch_size=100)["attention"]
    there = gradients_of(network, *next(data.batches(100))).attention
    # scaling a head's values is scaling the columns that the output projection has for it
    products = (there.out_proj.weight.grad * there.out_proj.weight.detach()).double().sum(0).view(3, 2).sum(1)
    torch.testing.assert_close(found, products.square(), rtol=1e-3, atol=1e-10)


def test_scores_leave_the_network_as_it_was():
    network, data = normalised_network().train(), tiny_images()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for criterion in (taylor, fisher):
        criterion(network, data, ["0", "3"])
    assert network.training and all(torch.equal(each, before[name]) for name, each in network.state_dict().items())
    assert all(each.grad is None for each in network.parameters())
