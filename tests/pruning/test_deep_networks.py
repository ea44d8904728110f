"""Pruning of deep networks against dense ones whose channels are masked, and against slices by plain indexing."""

import copy
import random
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from oraclecheck.criteria.magnitude import l1
from oraclecheck.criteria.pick import least
from oraclecheck.networks.resnet_cifar import ResNetCIFAR
from oraclecheck.networks.vgg import VGG19
from oraclecheck.pruning.combination import LayerChoice
from oraclecheck.pruning.layers import filter_weights, layer_choices, resolve_ratio
from oraclecheck.pruning.proof import prove
from oraclecheck.pruning.space import CombinationSpace
from oraclecheck.pruning.structured import as_released, prune

SIZE = 32


def next_bn(name: str) -> str:
    """The BatchNorm behind a convolution, by the names that all of these networks use."""
    return name.replace("conv", "bn")


NETWORKS: dict[str, tuple[Callable[[], nn.Module], str, Callable[[str], str]]] = {
    # network, prunable layers, layer -> the layer that its filters feed
    "resnet_cifar": (
        lambda: ResNetCIFAR(depth=14, classes=5, width=4),
        r"layer\d\.\d\.conv1",
        lambda name: name.replace("conv1", "conv2"),
    ),
    "vgg19": (
        lambda: VGG19(classes=5, width=4),
        r"features\.conv\d_\d",
        lambda name: VGG_BEHIND[name],
    ),
    "basic": (
        lambda: ResNet(BasicBlock, [1, 2, 1, 1], num_classes=5, width_per_group=64),
        r"layer\d\.\d\.conv1",
        lambda name: name.replace("conv1", "conv2"),
    ),
    "bottleneck": (
        lambda: ResNet(Bottleneck, [1, 1, 1, 1], num_classes=5, width_per_group=16),
        r"layer\d\.\d\.conv[12]",
        lambda name: f"{name[:-1]}{int(name[-1]) + 1}",
    ),
}
VGG_NAMES = [f"features.conv{block}_{i}" for block, n in enumerate((2, 2, 4, 4, 4), 1) for i in range(1, n + 1)]
VGG_BEHIND = dict(zip(VGG_NAMES, [*VGG_NAMES[1:], "classifier"], strict=True))


def dense_network(kind: str) -> nn.Module:
    """In float64, with BatchNorms in which every parameter and statistic matters."""
    torch.manual_seed(0)
    network = NETWORKS[kind][0]().double()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_()
                assert module.running_mean is not None and module.running_var is not None
                module.running_mean.normal_(std=0.1)
                module.running_var.uniform_(0.5, 1.5)
    return network


def space_of(kind: str, network: nn.Module, ratio: float) -> CombinationSpace:
    return CombinationSpace.of(layer_choices(network, resolve_ratio(network, {NETWORKS[kind][1]: ratio}, None)))


def images(seed: int = 0) -> Tensor:
    return torch.randn(4, 3, SIZE, SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def mask(network: nn.Module, removed: dict[str, tuple[int, ...]]) -> nn.Module:
    """A copy whose removed channels are zeroed after their BatchNorm."""
    masked = copy.deepcopy(network)
    for name, channels in removed.items():

        def zero(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor, channels=channels) -> Tensor:
            output = output.clone()
            output[:, list(channels)] = 0
            return output

        masked.get_submodule(next_bn(name)).register_forward_hook(zero)
    return masked


def assert_equal(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("ratio", [0.25, 0.5])
def test_pruned_network_equals_masked_dense_network(kind, ratio):
    network = dense_network(kind)
    space = space_of(kind, network, ratio)
    removed = space.unrank(random.Random(kind).randrange(space.size))
    pruned, masked = prune(network, removed, images()), mask(network, removed)
    with torch.no_grad():
        assert_equal(pruned.eval()(images()), masked.eval()(images()))
        assert (pruned(images()) - network.eval()(images())).abs().max() > 1e-3
    pruned.train(), masked.train()
    optimizers = [torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9) for net in (pruned, masked)]
    for step in range(3):
        logits = [net(images(step)) for net in (pruned, masked)]
        assert_equal(*logits)
        for optimizer, outputs in zip(optimizers, logits, strict=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(outputs, torch.arange(4)).backward()
            optimizer.step()
    for name, channels in removed.items():
        kept = [i for i in range(len(network.get_parameter(f"{name}.weight"))) if i not in channels]
        for tensor in ("weight", "bias", "running_mean", "running_var"):
            trained = pruned.get_submodule(next_bn(name)).state_dict()[tensor]
            assert_equal(trained, masked.get_submodule(next_bn(name)).state_dict()[tensor][kept])
    with torch.no_grad():
        assert_equal(pruned.eval()(images()), masked.eval()(images()))


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("released", [False, True])
def test_pruning_of_the_papers_networks_is_proven(kind, released):
    network = dense_network(kind)
    layers = space_of(kind, network, 0.5).layers
    behind = least(l1(network, None, [each.name for each in layers]), layers) if released else None
    assert prove(network, layers, (3, SIZE, SIZE), behind=behind) == {}


@pytest.mark.parametrize("kind", NETWORKS)
def test_released_wiring_equals_plain_indexing(kind):
    network = dense_network(kind)
    space = space_of(kind, network, 0.5)
    removed = space.unrank(random.Random(kind).randrange(space.size))
    expected, gone = network.state_dict(), {}
    for name, channels in removed.items():
        filters = expected[f"{name}.weight"]
        norms = network.get_parameter(f"{name}.weight").detach().abs().sum((1, 2, 3))
        behind = sorted(norms.argsort(descending=True).tolist()[: len(filters) - len(channels)])
        gone[name] = tuple(i for i in range(len(filters)) if i not in behind)
        expected[f"{name}.weight"] = filters[[i for i in range(len(filters)) if i not in channels]]
        for tensor in ("weight", "bias", "running_mean", "running_var"):
            expected[f"{next_bn(name)}.{tensor}"] = expected[f"{next_bn(name)}.{tensor}"][behind]
        reader = f"{NETWORKS[kind][2](name)}.weight"
        expected[reader] = expected[reader][:, behind]
    found = prune(as_released(network, removed, gone), gone, images()).state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in found.items())


@pytest.mark.parametrize(
    ("kind", "layer", "other"),
    [("resnet_cifar", "layer1.0.conv2", "layer1.1.conv2"), ("bottleneck", "layer2.0.conv3", "layer2.0.downsample.0")],
)
def test_layers_tied_by_a_shortcut_are_refused_by_name(kind, layer, other):
    with pytest.raises(ValueError, match=rf"those of {layer} are coupled with those of .*{other}"):
        prove(
            dense_network(kind), [LayerChoice(layer, len(filter_weights(dense_network(kind), layer)), 1)], (3, 32, 32)
        )
