"""Pruned networks against dense networks with masked activations; masks and slices here are plain indexing."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear, max_pool2d, relu

from oraclecheck.networks.lenet import LeNet5Mini
from oraclecheck.pruning.combination import LayerChoice
from oraclecheck.pruning.space import CombinationSpace
from oraclecheck.pruning.structured import as_released, prune

EXAMPLE = torch.zeros(2, 1, 32, 32, dtype=torch.float64)
FILTERS = {"conv1": 10, "conv2": 10, "conv3": 10}


def dense_network(seed: int = 0) -> LeNet5Mini:
    torch.manual_seed(seed)
    return LeNet5Mini().double()


def images(seed: int = 0, n: int = 4) -> Tensor:
    return torch.randn(n, 1, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def masked_forward(network: LeNet5Mini, x: Tensor, removed: dict[str, tuple[int, ...]]) -> Tensor:
    """The paper's order of operations (ReLU, then pooling), removed channels zeroed after their activation."""
    for name in ("conv1", "conv2", "conv3"):
        layer = getattr(network, name)
        x = relu(conv2d(x, layer.weight, layer.bias))
        for channel in removed.get(name, ()):
            x = x * (torch.arange(x.shape[1]) != channel).to(x)[None, :, None, None]
        if name != "conv3":
            x = max_pool2d(x, 2)
    x = x[:, :, 0, 0]
    for layer in network.hidden:
        x = relu(linear(x, layer.weight, layer.bias))
    return linear(x, network.classifier.weight, network.classifier.bias)


@st.composite
def removals(draw: st.DrawFn) -> dict[str, tuple[int, ...]]:
    layers = draw(st.lists(st.sampled_from(sorted(FILTERS)), min_size=1, max_size=3, unique=True))
    return {
        name: tuple(sorted(draw(st.sets(st.integers(0, FILTERS[name] - 1), min_size=1, max_size=FILTERS[name] - 1))))
        for name in sorted(layers)
    }


@settings(max_examples=60, deadline=None)
@given(removed=removals(), seed=st.integers(0, 2**31))
def test_pruned_network_equals_masked_dense_network(removed, seed):
    network = dense_network(seed)
    expected = masked_forward(network, images(seed), removed)
    torch.testing.assert_close(prune(network, removed, EXAMPLE)(images(seed)), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("layer", FILTERS)
def test_pruned_network_differs_from_network_masked_elsewhere(layer):
    network = dense_network()
    other = masked_forward(network, images(), {layer: (0, 2)})
    assert (prune(network, {layer: (0, 1)}, EXAMPLE)(images()) - other).abs().max() > 1e-6


def test_pruned_network_trains_like_masked_dense_network():
    network, removed = dense_network(), {"conv1": (1, 4, 7), "conv2": (0, 9)}
    pruned, masked = prune(network, removed, EXAMPLE), copy.deepcopy(network)
    kept = [filter for filter in range(10) if filter not in removed["conv1"]]
    optimizers = [torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9) for net in (pruned, masked)]
    for step in range(3):
        labels = torch.arange(4)
        losses = [
            nn.functional.cross_entropy(logits, labels)
            for logits in (pruned(images(step)), masked_forward(masked, images(step), removed))
        ]
        torch.testing.assert_close(losses[0], losses[1], rtol=0, atol=1e-12)
        for optimizer, loss in zip(optimizers, losses, strict=True):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    torch.testing.assert_close(pruned.conv1.weight, masked.conv1.weight[kept], rtol=0, atol=1e-12)


def test_pruning_leaves_the_dense_network_and_its_mode_alone():
    network = dense_network().train()
    before = copy.deepcopy(network.state_dict())
    pruned = prune(network, {"conv1": (0, 1)}, EXAMPLE)
    assert pruned.training and network.training
    assert not prune(network.eval(), {"conv1": (0, 1)}, EXAMPLE).training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_pruning_max_pool_before_relu_is_the_papers_network_bit_for_bit():
    torch.manual_seed(0)
    network, x = LeNet5Mini(), torch.randn(64, 1, 32, 32)
    gradients = []
    for forward in (network, lambda x: masked_forward(network, x, {})):
        network.zero_grad()
        loss = nn.functional.cross_entropy(forward(x), torch.arange(64) % 10)
        loss.backward()
        gradients.append([loss, *(parameter.grad.clone() for parameter in network.parameters())])
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(*gradients, strict=True))


@pytest.mark.parametrize(
    ("removed", "reason"),
    [
        ({"conv1": (1, 1)}, "1"),
        ({"conv1": (-1,)}, "-1"),
        ({"conv1": (10,)}, "10"),
        ({"conv1": tuple(range(10))}, "leave at least 1"),
    ],
)
def test_pruning_refuses_indices_that_torch_pruning_would_take(removed, reason):
    with pytest.raises(ValueError, match=reason):
        prune(dense_network(), removed, EXAMPLE)


def released_reference(network: LeNet5Mini, removed: tuple[int, ...], l1: tuple[int, ...]) -> dict[str, Tensor]:
    """The released network by plain slicing: conv1 keeps the combination's filters, conv2 the L1 norm's inputs."""
    kept = [i for i in range(10) if i not in removed]
    inputs = [i for i in range(10) if i not in l1]
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state["conv1.weight"], state["conv1.bias"] = state["conv1.weight"][kept], state["conv1.bias"][kept]
    state["conv2.weight"] = state["conv2.weight"][:, inputs]
    return state


def test_released_wiring_is_correct_for_the_choice_behind_alone():
    network = dense_network()
    space = CombinationSpace((LayerChoice("conv1", 10, 2),))
    norms = [network.conv1.weight[i].abs().sum().item() for i in range(10)]
    l1 = tuple(sorted(sorted(range(10), key=norms.__getitem__)[:2]))
    equal = []
    for index in range(45):
        removed = space.unrank(index)
        released = prune(as_released(network, removed, {"conv1": l1}), {"conv1": l1}, EXAMPLE)
        reference = released_reference(network, removed["conv1"], l1)
        assert all(torch.equal(tensor, reference[name]) for name, tensor in released.state_dict().items())
        correct = prune(network, removed, EXAMPLE)
        if torch.allclose(released(images()), correct(images()), rtol=0, atol=1e-12):
            equal.append(removed["conv1"])
    assert equal == [l1]


def test_released_wiring_slices_behind_every_pruned_layer():
    network, removed = dense_network(), {"conv1": (0, 1), "conv2": (2, 3, 4)}
    behind = {"conv1": (3, 8), "conv2": (0, 4, 9)}
    released = prune(as_released(network, removed, behind), behind, EXAMPLE)
    inputs = {name: [i for i in range(10) if i not in behind[name]] for name in behind}
    kept = {name: [i for i in range(10) if i not in removed[name]] for name in removed}
    assert torch.equal(released.conv1.weight, network.conv1.weight[kept["conv1"]])
    assert torch.equal(released.conv2.weight, network.conv2.weight[kept["conv2"]][:, inputs["conv1"]])
    assert torch.equal(released.conv2.bias, network.conv2.bias[kept["conv2"]])
    assert torch.equal(released.conv3.weight, network.conv3.weight[:, inputs["conv2"]])


def test_both_wirings_slice_batch_norm_behind_the_layer():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 3, 3)).double()
    with torch.no_grad():
        for tensor in (network[1].weight, network[1].bias, network[1].running_mean):
            tensor.normal_()
        network[1].running_var.uniform_(0.5, 2)
    network.eval()
    x, removed, example = images(), {"0": (1, 4)}, torch.zeros(2, 1, 8, 8, dtype=torch.float64)
    masked = copy.deepcopy(network)
    masked[3].weight.data[:, [1, 4]] = 0
    torch.testing.assert_close(prune(network, removed, example)(x), masked(x), rtol=0, atol=1e-12)
    released = prune(as_released(network, removed, {"0": (0, 5)}), {"0": (0, 5)}, example)
    behind = [1, 2, 3, 4]
    assert torch.equal(released[0].weight, network[0].weight[[0, 2, 3, 5]])
    assert torch.equal(released[1].running_mean, network[1].running_mean[behind])
    assert torch.equal(released[3].weight, network[3].weight[:, behind])


@pytest.mark.parametrize(
    ("behind", "reason"),
    [
        ({"conv1": (0,)}, "removed filters of conv1 must number 2; got 1"),
        ({"conv1": (0, 10)}, "must lie in 0..9; got 10"),
        ({"conv2": (0, 1)}, "behind must name the layers of removed, conv1; got conv2"),
        ({}, "behind must name the layers of removed, conv1; got "),
    ],
)
def test_released_wiring_refuses_a_choice_behind_of_other_layers_or_numbers(behind, reason):
    with pytest.raises(ValueError, match=reason):
        as_released(dense_network(), {"conv1": (0, 1)}, behind)
