"""Shadows of networks: what cannot be made on the meta device is made on the CPU and moved."""

import pytest
import torch
from torch import nn
from torchvision.models import regnet_y_400mf

from oraclecheck.networks.shadow import make_shadow, parameters_and_macs, shadow_network


class Reader(nn.Module):
    """Reads a value while it is made, as drop-path schedules do, and keeps a tensor outside its state."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.drop = nn.Dropout(torch.linspace(0, 0.2, 3)[1].item())
        self.scale = torch.ones(4, 1, 1)

    def forward(self, x):
        return self.drop(self.conv(x) * self.scale).flatten(1)


def test_network_that_reads_values_in_its_init_has_a_shadow():
    with pytest.raises(RuntimeError, match="meta tensors"), torch.device("meta"):
        Reader()  # else this test shows nothing
    shadow = make_shadow(Reader)
    assert shadow.drop.p == pytest.approx(0.1)
    assert {parameter.device.type for parameter in shadow.parameters()} == {"meta"}
    assert shadow(torch.empty(2, 1, 5, 5, device="meta")).shape == (2, 4 * 3 * 3)


def test_size_of_a_network_with_a_tensor_outside_its_state_is_counted():
    # 4 filters of 1x3x3 and their biases; 3x3 positions of 9 products each
    assert parameters_and_macs(Reader(), (1, 5, 5)) == (4 * 9 + 4, 4 * 9 * 9)


@pytest.mark.parametrize("make", [Reader, lambda: nn.Conv2d(1, 4, 3)])
def test_shadow_leaves_the_random_generator_as_it_was(make):
    torch.manual_seed(0)
    make_shadow(make)
    found = torch.rand(3)
    torch.manual_seed(0)
    assert torch.equal(found, torch.rand(3))


def test_regnet_has_a_shadow_with_its_layers():
    shadow = shadow_network({"_target_": "torchvision.models.regnet_y_400mf"})
    made = regnet_y_400mf()
    assert {name: tuple(tensor.shape) for name, tensor in shadow.state_dict().items()} == {
        name: tuple(tensor.shape) for name, tensor in made.state_dict().items()
    }
    assert shadow.eval()(torch.empty(1, 3, 64, 64, device="meta")).shape == (1, 1000)
