"""Which networks are chains, and which layer of the others is named."""

import pytest
import torch
from torch import nn
from torch.nn.functional import max_pool2d, relu

from oraclecheck.engines.lanes.chain import chain_of
from oraclecheck.networks.lenet import LeNet5Mini
from oraclecheck.networks.resnet_cifar import ResNetCIFAR
from oraclecheck.networks.shadow import make_shadow
from oraclecheck.networks.vgg import VGG19

SHAPE = (1, 32, 32)
POOL, RELU = nn.MaxPool2d(2), nn.ReLU()


def test_lenet5_mini_is_the_chain_that_the_paper_draws():
    chain = chain_of(make_shadow(lambda: LeNet5Mini(conv1_filters=20, extra_linears=1)), SHAPE)
    assert chain.layers == ("conv1", "conv2", "conv3", "hidden.0", "hidden.1", "classifier")
    assert chain.kinds == (
        "Conv<1, 32, 32, 20, 5>",
        "Conv<20, 14, 14, 10, 5>",
        "Linear<250, 10, true>",
        "Linear<10, 10, true>",
        "Linear<10, 10, true>",
        "Linear<10, 10, false>",
    )
    assert "using Network = lanes::Chain<1, 1024, lanes::Conv<1, 32, 32, 20, 5>, " in chain.source


class Own(nn.Module):
    """A user's network: its layers in another order than images see them, ReLU before the pool, a shape by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = nn.Linear(3 * 15 * 15, 4)
        self.convolution = nn.Conv2d(1, 3, 3)

    def forward(self, images):
        x = torch.max_pool2d(self.convolution(images).relu(), 2)
        return self.classifier(x.view(x.shape[0], -1))


def test_own_network_has_its_layers_in_the_order_of_its_forward():
    network = Own()
    chain = chain_of(network, SHAPE)
    assert chain.layers == ("convolution", "classifier")
    assert chain.kinds == ("Conv<1, 32, 32, 3, 3>", "Linear<675, 4, false>")
    assert [p.shape for p in chain.parameters(network)] == [(3, 1, 3, 3), (3,), (4, 675), (4,)]


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.left = nn.Conv2d(1, 2, 5), nn.Conv2d(2, 2, 1)

    def forward(self, images):
        x = relu(max_pool2d(self.stem(images), 2))
        return x + self.left(x)


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale, self.linear = nn.Parameter(torch.ones(())), nn.Linear(1024, 3)

    def forward(self, images):
        return self.linear(images.flatten(1)) * self.scale


class Noisy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(1024, 3)

    def forward(self, images):
        x = images.flatten(1)
        x = self.linear(x)
        return relu(x) if self.training else x


def tied() -> nn.Module:
    network = LeNet5Mini(extra_linears=1)
    network.hidden[1].weight = network.hidden[0].weight
    return network


def twice() -> nn.Module:
    linear = nn.Linear(1024, 1024)
    return nn.Sequential(nn.Flatten(), linear, nn.ReLU(), linear)


def frozen() -> nn.Module:
    network = LeNet5Mini()
    network.conv2.bias.requires_grad_(False)
    return network


class Decides(nn.Module):
    def forward(self, images):
        return images if images.sum() > 0 else -images


@pytest.mark.parametrize(
    ("network", "named"),
    [
        (lambda: ResNetCIFAR(), "'conv1' has a stride, a padding"),
        (lambda: VGG19(), "'features.conv1_1' has a stride"),
        (lambda: nn.Sequential(nn.Conv2d(1, 2, 5), nn.BatchNorm2d(2), POOL, RELU), "'1' is a BatchNorm2d"),
        (lambda: nn.Sequential(nn.Conv2d(1, 2, 5, stride=2), POOL, RELU), "'0' has a stride"),
        (lambda: nn.Sequential(nn.Conv2d(1, 2, 5, padding=2), POOL, RELU), "'0' has a stride, a padding"),
        (lambda: nn.Sequential(nn.Conv2d(1, 2, (5, 3)), POOL, RELU), "'0' has .* a kernel that is no square"),
        (lambda: nn.Sequential(nn.Conv2d(1, 2, 5, bias=False), POOL, RELU), "'0' has no bias"),
        (lambda: nn.Sequential(nn.Conv2d(1, 2, 5).double(), POOL, RELU), "'0' is of torch.float64"),
        (lambda: nn.Sequential(nn.Conv2d(1, 2, 5), RELU), "'0' is not followed by max-pooling by 2 and ReLU"),
        (lambda: nn.Sequential(nn.Conv2d(1, 2, 5), POOL), "'0' is not followed by"),
        (lambda: nn.Sequential(nn.Conv2d(1, 2, 5), POOL, POOL, RELU), "'1' pools again|'2' pools again"),
        (lambda: nn.Sequential(nn.Conv2d(1, 2, 5), nn.MaxPool2d(3), RELU), "'1' does not pool 2 x 2 pixels into one"),
        (lambda: nn.Sequential(nn.Conv2d(1, 2, 5), nn.MaxPool2d(2, 1), RELU), "'1' does not pool"),
        (lambda: nn.Sequential(nn.Conv2d(1, 2, 5), nn.AvgPool2d(2), RELU), "'1' is a AvgPool2d"),
        (lambda: nn.Sequential(nn.Conv2d(1, 2, 5), POOL, RELU), "does not end in a row of classes"),
        (lambda: nn.Sequential(POOL, nn.Conv2d(1, 2, 5), POOL, RELU), "'pool' comes before every layer"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(1024, 3), nn.Dropout(), nn.Linear(3, 3)), "'2' is a Dropout"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(1024, 3), nn.Sigmoid()), "'2' is a Sigmoid"),
        (lambda: nn.Sequential(nn.Linear(32, 3)), "'0' does not fit what comes before it"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(1000, 3)), "'1' does not fit what comes before it"),
        (Branches, "'relu' is used 2 times"),
        (Scaled, "'mul' takes more than what comes before it"),
        (Noisy, "does something else in training than in evaluation"),
        (tied, "two of its layers share parameters"),
        (twice, "'1' is used twice"),
        (frozen, "'conv2' is frozen"),
        (Decides, "its forward cannot be followed"),
    ],
)
def test_other_networks_are_refused_by_the_name_of_the_layer(network, named):
    with pytest.raises(ValueError, match=rf"^model.network must be a chain .*{named}.*: choose engine=lightning$"):
        chain_of(network(), SHAPE)


def test_layer_that_somebody_listens_to_is_refused():
    network = LeNet5Mini()
    network.conv2.register_forward_hook(lambda module, inputs, output: output * 2)
    with pytest.raises(ValueError, match="'conv2' has hooks"):
        chain_of(network, SHAPE)
