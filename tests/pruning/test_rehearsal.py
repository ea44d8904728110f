"""What a rehearsal finds, and that it names the layer."""

import pytest
import torch
from torch import Tensor, nn

from oraclecheck.networks.vgg import VGG19
from oraclecheck.pruning.rehearsal import rehearse


class Views(nn.Module):
    """Its forward knows how many channels there are."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.classifier = nn.Conv2d(1, 4, 1), nn.Conv2d(4, 6, 1), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(self.first(x))
        return self.classifier(x.view(len(x), 6, -1).mean(2))


class Untraceable(nn.Module):
    """Its layer is called where autograd does not look."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.classifier = nn.Conv2d(1, 4, 1), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            x = self.first(x)
        return self.classifier(x.mean((2, 3)))


@pytest.mark.parametrize(
    ("make", "removed", "sentence"),
    [
        (Views, {"first": (0,), "second": (1,)}, "without 1 of second it raises"),
        (Views, {"classifier": (0,)}, "must not name the layer whose outputs are the classes; got classifier"),
        (Untraceable, {"first": (0,)}, "must name layers that torch-pruning can trace; first is none"),
        (lambda: nn.Linear(4, 3), {"": (0,)}, "must take an image of shape [1, 8, 8]; it raises"),
        (
            lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 5)),
            {"1": (0,)},
            "data.classes=3 logits; its output has shape [1, 5]",
        ),
        (lambda: VGG19(3, 2), {"features.conv1_1": (0,)}, "must take an image of shape [1, 8, 8]; it raises"),
    ],
)
def test_what_would_stop_every_run_is_one_sentence(make, removed, sentence):
    with torch.device("meta"):
        network = make()
    with pytest.raises(ValueError) as error:
        rehearse(network, removed, (1, 8, 8), 3)
    assert sentence in str(error.value) and "\n" not in str(error.value)


def test_rehearsal_leaves_the_shadow_alone():
    with torch.device("meta"):
        network = VGG19(3, 2)
    before = {name: tensor.shape for name, tensor in network.state_dict().items()}
    rehearse(network, {"features.conv1_1": (0,), "features.conv5_4": (3,)}, (3, 32, 32), 3)
    assert network.training and before == {name: tensor.shape for name, tensor in network.state_dict().items()}
