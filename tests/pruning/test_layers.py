from collections import OrderedDict

import pytest
from torch import nn

from oraclecheck.networks.lenet import LeNet5Mini
from oraclecheck.networks.resnet_cifar import ResNetCIFAR
from oraclecheck.networks.vgg import VGG19
from oraclecheck.pruning.layers import LayerPattern, layer_choices, resolve_ratio

DEFAULT = {"conv1": 0.5}


@pytest.mark.parametrize(
    ("ratio", "resolved"),
    [
        (None, {"conv1": 0.5}),
        (0.2, {"conv1": 0.2}),
        ({"conv2": 0.2}, {"conv2": 0.2}),
        ({"conv3": 0.3, "conv1": 0.2}, {"conv1": 0.2, "conv3": 0.3}),
    ],
)
def test_ratio_replaces_the_default_in_the_networks_order(ratio, resolved):
    assert list(resolve_ratio(LeNet5Mini(), ratio, DEFAULT).items()) == list(resolved.items())


@pytest.mark.parametrize(("ratio", "removed"), [(0.2, 2), (0.25, 3), (0.5, 5), (0.81, 9)])
def test_removed_filters_are_the_ceiling(ratio, removed):
    (choice,) = layer_choices(LeNet5Mini(), {"conv1": ratio})
    assert (choice.name, choice.filters, choice.removed) == ("conv1", 10, removed)


@pytest.mark.parametrize(
    "ratio", [{}, [], "conv1", True, {"conv1": True}, {"conv1": None}, {"conv1": 1}, {"relu": 0.5}]
)
def test_what_is_no_ratio_is_refused(ratio):
    with pytest.raises(ValueError, match=r"pruning\.ratio"):
        resolve_ratio(LeNet5Mini(), ratio, DEFAULT)


CONVS = LayerPattern(r"features\.conv\d_\d", 16, "Conv2d")


@pytest.fixture(scope="module")
def vgg() -> VGG19:
    return VGG19(width=2)


def test_number_is_for_all_layers_that_a_pattern_promises(vgg):
    resolved = resolve_ratio(vgg, None, 0.5, [CONVS])
    assert list(resolved) == [
        f"features.conv{block}_{i}" for block in range(1, 6) for i in range(1, 5 if block > 2 else 3)
    ]
    assert set(resolved.values()) == {0.5}
    assert resolve_ratio(vgg, 0.25, 0.5, [CONVS]) == dict.fromkeys(resolved, 0.25)


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        (LayerPattern(r"features\..*5_\d", 4, "Conv2d"), "matches features.bn5_1, a BatchNorm2d"),
        (
            LayerPattern(r"features\.conv[1-4]_\d", 16, "Conv2d"),
            r"count, 16; 'features\.conv[1-4]_\d' matches 12: ",
        ),
        (LayerPattern(r"conv\d", 16, "Conv2d"), "matches none"),
        (LayerPattern(r"conv(", 16, "Conv2d"), "model.prunable must name layers or match them; got 'conv('"),
    ],
)
def test_promise_that_does_not_hold_is_one_sentence(vgg, pattern, sentence):
    with pytest.raises(ValueError, match=r"^model\.prunable must") as error:
        resolve_ratio(vgg, None, 0.5, [pattern])
    assert sentence in str(error.value)


def test_patterns_give_each_stage_its_ratio():
    network = ResNetCIFAR(depth=14, width=4)
    blocks = [LayerPattern(r"layer\d\.\d\.conv1", 6, "Conv2d")]
    resolved = resolve_ratio(network, {"layer1.*": 0.25, "layer[23].*": 0.75}, 0.5, blocks)
    assert resolved == {f"layer{s}.{b}.conv1": 0.25 if s == 1 else 0.75 for s in (1, 2, 3) for b in (0, 1)}


def test_exact_name_comes_before_a_pattern_and_means_itself_alone():
    network = nn.Sequential(OrderedDict({"a": nn.Sequential(nn.Conv2d(1, 4, 1)), "a_0": nn.Conv2d(4, 4, 1)}))
    assert resolve_ratio(network, {"a.0": 0.5}, None) == {"a.0": 0.5}  # as an expression it would match a_0 too
    assert resolve_ratio(network, {"a.0": 0.5, ".*": 0.25}, None) == {"a.0": 0.5, "a_0": 0.25}


@pytest.mark.parametrize(
    ("ratio", "sentence"),
    [
        (
            {"features.conv1.*": 0.5, "features.*_1": 0.25},
            "'features.conv1.*' and 'features.*_1' both match features.conv1_1",
        ),
        ({"features.bn1.*": 0.5}, "got 'features.bn1.*': it matches features.bn1_1, a BatchNorm2d"),
        ({"features.conv1_9": 0.5}, "did you mean features.conv1_"),
        ({"features.conv1_[12": 0.5}, "unterminated character set"),
    ],
)
def test_pattern_that_says_too_much_or_nothing_is_one_sentence(vgg, ratio, sentence):
    with pytest.raises(ValueError, match=r"^pruning\.ratio must") as error:
        resolve_ratio(vgg, ratio, 0.5, [CONVS])
    assert sentence in str(error.value)
