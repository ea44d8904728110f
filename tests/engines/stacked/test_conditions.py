"""What the stacked engine refuses before anything is trained."""

import pytest
import torch
from torch import nn

from engines.test_callbacks import CPU
from oraclecheck.engines.stacked.conditions import check
from oraclecheck.engines.trainer import TrainerSettings
from oraclecheck.networks.lenet import LeNet5Mini
from oraclecheck.networks.resnet_cifar import ResNetCIFAR
from oraclecheck.networks.shadow import make_shadow
from oraclecheck.networks.vgg import VGG19
from oraclecheck.networks.vit import VisionTransformer


class Odd(nn.Module):
    """A linear layer of two pixels and something that cannot be stacked."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.layer, self.dropout = kind, nn.Linear(2, 3), nn.Dropout(0.5)
        self.norm = nn.BatchNorm1d(3, momentum=None)
        self.register_buffer("mean", torch.zeros(3))

    def forward(self, x):
        x = self.layer(x.flatten(1))
        if self.kind == "dropout":
            return self.dropout(x)
        if self.kind == "control flow":
            return x if x.sum() > 0 else -x
        if self.kind == "number":
            return self.norm(x)
        if self.kind == "replaced buffer":
            self.mean = 0.9 * self.mean + 0.1 * x.detach().mean(0)
            return x - self.mean
        logits = torch.zeros(len(x), 3)
        logits += x
        return logits


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (LeNet5Mini, (1, 32, 32)),
        (lambda: ResNetCIFAR(8), (3, 32, 32)),
        (lambda: VGG19(10, width=4), (3, 32, 32)),
        (lambda: VisionTransformer(32, 16, 1, 2, 8, 8, 3), (3, 32, 32)),
    ],
)
def test_networks_of_the_papers_can_be_stacked(make, shape):
    network = make_shadow(make)
    modes = [module.training for module in network.modules()]
    check(network, shape, True, CPU)
    assert [module.training for module in network.modules()] == modes
    assert not any(module._forward_hooks for module in network.modules())


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("dropout", "model.network must draw nothing at random, as dropout does, for engine=stacked: "),
        ("control flow", "model.network must do the same whatever its numbers are, for engine=stacked: "),
        ("number", "model.network must do the same whatever its numbers are, for engine=stacked: "),
        ("replaced buffer", "model.network must change its buffers in place for engine=stacked; it replaces mean: "),
        ("growing", "model.network must be one that torch.func.vmap can stack for engine=stacked; got RuntimeError: "),
    ],
)
@pytest.mark.parametrize("shadow", [True, False])
def test_network_that_cannot_be_stacked_is_refused(kind, sentence, shadow):
    network = make_shadow(lambda: Odd(kind)) if shadow else Odd(kind)
    with pytest.raises(ValueError, match=r"choose engine=lightning$") as refusal:
        check(network, (1, 1, 2), True, CPU)
    assert str(refusal.value).startswith(sentence) and "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("in_memory", "trainer", "key"),
    [
        (False, CPU, "data.source"),
        (True, TrainerSettings("cpu", "16-mixed"), "trainer.precision"),
        (True, TrainerSettings("cpu", compile=True), "trainer.compile"),
    ],
)
def test_settings_that_cannot_be_stacked_are_refused(in_memory, trainer, key):
    with pytest.raises(ValueError, match=f"^{key} must be .* for engine=stacked; got .*: choose engine=lightning$"):
        check(make_shadow(LeNet5Mini), (1, 32, 32), in_memory, trainer)
