"""What a survey says of the layers of a network, from small blocks to torchvision's networks."""

from collections import Counter

import pytest
import torch
import torchvision
from strange_networks import CLASSES, SHAPE, Chain, inverted_residual, squeeze_excitation
from torch import nn
from torchvision.models.mobilenetv2 import InvertedResidual

from oraclecheck.pruning.proof import double_precision, specimen
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


TORCHVISION = {
    # network -> input side, and how many layers are prunable, go with one, are tied or refused
    "resnext50_32x4d": 64,
    "mobilenet_v2": 64,
    "efficientnet_b0": 64,
    "convnext_tiny": 64,
    "swin_t": 64,
    "regnet_y_400mf": 64,
    "shufflenet_v2_x0_5": 64,
    "densenet121": 64,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision(name):
    side = TORCHVISION[name]
    found = surveyed(lambda: torchvision.models.get_model(name, num_classes=10), (3, side, side), 10)
    print(name, Counter(layer.standing for layer in found.values()))
    for layer in found.values():
        print("  ", layer.name, layer.filters, layer.standing, layer.others[:3], layer.why)
    assert torch.get_default_dtype() == torch.float32
