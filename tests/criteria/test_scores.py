"""The other criteria, by hand and by loops."""

import copy
import math

import pytest
import torch
import torch_pruning as tp
import torchvision
from tiny_images import normalised_network, plain_network, tiny_images
from torch import nn
from torch.nn.functional import cross_entropy, relu

from oraclecheck.criteria.activations import activation
from oraclecheck.criteria.chance import random
from oraclecheck.criteria.damage import after_steps, gradient_norm, oracle, train_accuracy
from oraclecheck.criteria.fpgm import fpgm
from oraclecheck.criteria.magnitude import l1, l2
from oraclecheck.criteria.measuring import calibration
from oraclecheck.criteria.normalisation import bn_scale
from oraclecheck.criteria.recorded import PartialAccuracy
from oraclecheck.data.images import ImageSet


def linear(weights):
    network = nn.Sequential(nn.Linear(len(weights[0]), len(weights)))
    network[0].weight.data = torch.tensor(weights)
    return network


def test_l2_is_the_root_of_the_sum_of_squares():
    assert l2(linear([[3.0, 4], [0, -2]]), None, ["0"])["0"].tolist() == [5, 2]


def test_fpgm_adds_the_distances_to_the_other_filters():
    assert fpgm(linear([[0.0, 0], [3, 4], [6, 8]]), None, ["0"])["0"].tolist() == [15, 10, 15]


def test_fpgm_is_a_loop_over_pairs():
    network = plain_network()
    network[2].weight.data[3] = network[2].weight.data[1] * (1 + 1e-6)  # all but the same
    weights = network[2].weight.detach().double().flatten(1)
    expected = [sum((one - other).norm().item() for other in weights) for one in weights]
    assert fpgm(network, None, ["2"])["2"].tolist() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("criterion", "p"), [(l1, 1), (l2, 2)])
def test_magnitudes_are_torch_prunings(criterion, p):
    network = plain_network()
    graph = tp.DependencyGraph().build_dependency(network, (torch.zeros(1, 1, 6, 6),))
    group = graph.get_pruning_group(network[2], tp.prune_conv_out_channels, list(range(5)))
    importance = tp.importance.MagnitudeImportance(p=p, group_reduction="first", normalizer=None)
    expected = importance(group).double() ** (1 / p)  # it leaves the root out
    torch.testing.assert_close(criterion(network, None, ["2"])["2"], expected, rtol=1e-5, atol=0)


def test_bn_scale_is_the_absolute_scale_behind_the_layer():
    network = normalised_network()
    network[4].weight.data = torch.tensor([1.0, -2, 3, -0.5, 0])
    found = bn_scale(network, tiny_images(), ["0", "3"])
    assert found["3"].tolist() == [1, 2, 3, 0.5, 0] and found["0"].tolist() == network[1].weight.tolist()


@pytest.mark.parametrize("layer", ["0", "5"])
def test_activation_is_the_mean_behind_the_relu(layer):
    network, data = plain_network(), tiny_images()
    outputs = network[: int(layer) + 2](next(data.batches(100))[0]).detach().double()
    expected = outputs.transpose(0, 1).flatten(1).mean(1)
    found = activation(network, data, [layer], images=None, batch_size=8)[layer]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-9)


def test_activation_of_networks_without_modules_for_it_is_through_relu_behind_the_batchnorm():
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.bn, self.fc = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Linear(64, 3)

        def forward(self, x):
            return self.fc(relu(self.bn(self.conv(x))).flatten(1))

    torch.manual_seed(0)
    network, data = Plain().eval(), tiny_images()
    network.bn.running_mean.uniform_(-1, 1)
    expected = relu(network.bn(network.conv(next(data.batches(100))[0]))).detach().double().mean((0, 2, 3))
    torch.testing.assert_close(activation(network, data, ["conv"])["conv"], expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize(("name", "layers"), [("resnet18", ["conv1"]), ("resnet50", ["conv1", "conv2"])])
def test_activation_behind_a_module_that_is_called_again_is_of_the_first_call(name, layers):
    """Blocks of torchvision's ResNets have one ReLU, which they call behind each convolution and behind the sum."""
    torch.manual_seed(0)
    network = getattr(torchvision.models, name)(weights=None).eval()
    pixels = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    data = ImageSet(pixels, torch.tensor([0, 1, 2, 0]), (0.5,) * 3, (0.25,) * 3)
    block, expected = network.layer1[0], {}
    with torch.no_grad():
        x = network.maxpool(relu(network.bn1(network.conv1(next(data.batches(4))[0]))))
        for layer, normalisation in zip(layers, (block.bn1, block.bn2), strict=False):
            x = relu(normalisation(block.get_submodule(layer)(x)))
            expected[f"layer1.0.{layer}"] = x.double().mean((0, 2, 3))
    found = activation(network, data, list(expected), batch_size=3)
    for layer, mean in expected.items():
        torch.testing.assert_close(found[layer], mean, rtol=1e-5, atol=1e-9)


def test_activation_of_gelu_is_its_absolute_value():
    network = nn.Sequential(nn.Flatten(), nn.Linear(36, 5), nn.GELU(), nn.Linear(5, 3))
    data = tiny_images()
    expected = network[:3](next(data.batches(100))[0]).detach().double().abs().mean(0)
    torch.testing.assert_close(activation(network, data, ["1"])["1"], expected, rtol=1e-5, atol=1e-9)


def test_random_is_a_permutation_that_the_seed_and_the_layer_decide():
    network = plain_network()
    found = random(network, None, ["2", "5"], seed=3)
    assert sorted(found["2"].tolist()) == [1, 2, 3, 4, 5] and sorted(found["5"].tolist()) == [1, 2, 3, 4, 5, 6]
    assert torch.equal(found["5"], random(network, None, ["5"], seed=3)["5"])
    assert len({tuple(random(network, None, ["5"], seed=seed)["5"].tolist()) for seed in range(20)}) > 10


def test_damage_is_that_of_the_whole_set_at_once():
    network, data = normalised_network().eval(), tiny_images()
    images, labels = next(data.batches(100))
    logits = network(images)
    loss = cross_entropy(logits, labels)
    assert oracle(network, data) == pytest.approx(loss.item(), rel=1e-6)
    assert train_accuracy(network, data) == pytest.approx(1 - (logits.argmax(1) == labels).double().mean().item())
    norm = torch.cat([each.flatten() for each in torch.autograd.grad(loss, list(network.parameters()))]).norm().item()
    assert gradient_norm(network, data, images=None) == pytest.approx(norm, rel=1e-4)


def test_a_step_is_one_of_gradient_descent():
    network, data = plain_network(), tiny_images()
    stepped = copy.deepcopy(network)
    images, labels = next(data.batches(100))
    gradients = torch.autograd.grad(cross_entropy(stepped(images), labels), list(stepped.parameters()))
    with torch.no_grad():
        for parameter, gradient in zip(stepped.parameters(), gradients, strict=True):
            parameter -= 0.1 * (gradient + 0.01 * parameter)
        expected = cross_entropy(stepped(images), labels).item()
    found = after_steps(network, data, steps=1, lr=0.1, weight_decay=0.01, batch_size=100)
    assert found == pytest.approx(expected, rel=1e-5)


def test_few_images_are_balanced_and_always_the_same():
    data = tiny_images(300)
    chosen = calibration(data, 30)
    assert torch.bincount(chosen.labels).tolist() == [10, 10, 10]
    assert torch.equal(calibration(tiny_images(300), 30).images, chosen.images)
    assert calibration(data, None) is data and calibration(data, 300) is data


def test_partial_accuracy_is_read_off_the_history():
    history = [{"test_accuracy": accuracy} for accuracy in (0.1, 0.25, 0.5, 0.75, 0.875)]
    shares = {0.1: 0.9, 0.2: 0.9, 0.4: 0.75, 0.6: 0.5, 1: 0.125}
    assert {share: PartialAccuracy(share)({"history": history}) for share in shares} == shares
    assert math.isnan(PartialAccuracy()({"history": []}))
    with pytest.raises(ValueError, match=r"share must lie in \(0, 1\]; got 0"):
        PartialAccuracy(0)


@pytest.mark.parametrize("images", [0, -3, "many", 1.5])
def test_images_that_are_no_number_of_them_are_refused(images):
    with pytest.raises(ValueError, match="images must be null, for all, or at least 1; got"):
        calibration(tiny_images(), images)


@pytest.mark.parametrize("steps", [0, -1, "few"])
def test_after_steps_takes_a_step(steps):
    with pytest.raises(ValueError, match="steps must be at least 1; got"):
        after_steps(plain_network(), tiny_images(), steps=steps)


def test_after_steps_is_the_same_whatever_was_drawn_before():
    network = nn.Sequential(nn.Flatten(), nn.Linear(36, 20), nn.ReLU(), nn.Dropout(0.5), nn.Linear(20, 3))
    first, again, other = (after_steps(copy.deepcopy(network), tiny_images(), lr=0.1, seed=seed) for seed in (0, 0, 1))
    assert first == again != other
