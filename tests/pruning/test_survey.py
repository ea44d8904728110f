"""What a survey says of the layers of a network, from small blocks to torchvision's networks."""

from collections import Counter

import pytest
import torchvision
from strange_networks import CLASSES, SHAPE, Chain, inverted_residual, squeeze_excitation
from torch import nn
from torchvision.models.mobilenetv2 import InvertedResidual

from oraclecheck.pruning.probe import double_precision
from oraclecheck.pruning.specimen import specimen
from oraclecheck.pruning.survey import SurveyedLayer, survey


def surveyed(make, shape=SHAPE, classes=CLASSES) -> dict[str, SurveyedLayer]:
    with double_precision():
        return {layer.name: layer for layer in survey(specimen(make, shape, classes), shape)}


def test_survey_tells_partners_ties_and_refusals():
    def make() -> nn.Module:
        conv, classifier = nn.Conv2d(8, 6, 3), nn.Linear(6, CLASSES)
        return nn.Sequential(
            nn.Conv2d(1, 8, 1),
            InvertedResidual(8, 8, 1, 3),
            conv,
            nn.Conv2d(6, 6, 1, groups=3),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            classifier,
        )

    found = surveyed(make)
    assert [layer.filters for layer in found.values()] == [8, 24, 24, 8, 6, 6, CLASSES]
    expansion, depthwise, projection = "1.conv.0.0", "1.conv.1.0", "1.conv.2"
    assert (found["0"].standing, found["0"].others) == ("tied to", (projection,))
    assert (found[expansion].standing, found[expansion].others) == ("prunable", (depthwise,))
    assert (found[depthwise].standing, found[depthwise].others) == ("goes with", (expansion,))
    assert found[projection].standing == "tied to"
    assert found["2"].standing == found["3"].standing == "refused" and "grouped" in found["3"].why
    assert "outputs are the classes" in found["6"].why


@pytest.mark.parametrize(
    ("make", "partners"),
    [(inverted_residual, ("between.2",)), (squeeze_excitation, ("between.2", "between.5.fc2"))],
)
def test_gates_and_depthwise_convolutions_count_with_their_expansion(make, partners):
    found = surveyed(lambda: make(8))
    assert found["first"].standing == "prunable" and set(found["first"].others) == set(partners)
    assert all(found[partner].standing == "goes with" for partner in partners)


def test_a_layer_of_one_filter_is_not_prunable():
    assert surveyed(lambda: Chain(1))["first"].why == "it has one filter"


TORCHVISION: dict[str, dict[str, int]] = {
    # Counted by hand from the published architectures; the classifier is refused everywhere.
    # stem, 16 expansions, last convolution, projections without a shortcut (2); a depthwise one for each of 17 blocks
    "mobilenet_v2": {"prunable": 1 + 16 + 1 + 2, "goes with": 17, "tied to": 15, "refused": 1},
    # the same with 16 blocks, each with a squeeze layer, whose second convolution gates the expansion
    "efficientnet_b0": {"prunable": 1 + 15 + 16 + 1 + 2, "goes with": 16 + 16, "tied to": 14, "refused": 1},
    # hidden units of 18 blocks; the stream ties depthwise convolutions, projections, stem and downsampling
    "convnext_tiny": {"prunable": 18, "tied to": 18 + 18 + 1 + 3, "refused": 1},
    # stem and 16 squeeze layers; grouped convolutions, what feeds them and what gates them cannot go
    "regnet_y_400mf": {"prunable": 1 + 16, "tied to": 16 + 4, "refused": 3 * 16 + 1},
    # the stem; 16 grouped convolutions and the 16 that feed them cannot go, 16 last ones and 4 shortcuts are tied
    "resnext50_32x4d": {"prunable": 1, "tied to": 16 + 4, "refused": 16 + 16 + 1},
    # hidden units of 12 blocks; their second layers, stem and downsampling are the stream; torch-pruning gives up
    # on the last stage; attention's layers are applied by a function
    "swin_t": {"prunable": 12, "tied to": 10 + 1 + 2, "refused": 2 * 12 + 2 + 1 + 1},
    # 58 dense layers of two convolutions, stem, three transitions
    "densenet121": {"prunable": 2 * 58 + 1 + 3, "refused": 1},
}
UNTRACEABLE = ["shufflenet_v2_x0_5"]  # torch-pruning divides by zero at its channel shuffle


@pytest.mark.slow
@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvisions_networks_are_surveyed_as_their_architecture_says(name):
    found = surveyed(lambda: torchvision.models.get_model(name, num_classes=10), (3, 64, 64), 10)
    assert Counter(layer.standing for layer in found.values()) == TORCHVISION[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", UNTRACEABLE)
def test_network_that_torch_pruning_cannot_trace_is_one_sentence(name):
    with pytest.raises(ValueError, match=r"^model\.network must be one that torch-pruning can trace"):
        surveyed(lambda: torchvision.models.get_model(name, num_classes=10), (3, 64, 64), 10)
