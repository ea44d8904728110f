"""A fresh start for a network whose shapes are no longer those that its class was made with.

Initialisers depend on shapes, so weights cut out of a larger network's fresh ones would have another scale. Every
module draws its parameters anew (`reset_parameters`, as torch's do), then the network sets those that it draws in a way
of its own (a method `initialise`), as its constructor did.
"""

import copy
from typing import Any

import torch
from torch import nn

from oraclecheck.networks.shadow import build

SEEN = 64
"""Numbers in a tensor from which on its standard deviation tells how it was drawn."""


def initialise(network: nn.Module, seed: int) -> None:
    """Draw the parameters of a network anew, in place, by the rules of its own shapes; buffers start anew with them.

    Args:
        network: On the CPU, so that a seed means the same on every device.
        seed: Decides all that is drawn; torch's global generator is left as it was.

    Raises:
        ValueError: If a module with parameters has no `reset_parameters`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        for name, module in network.named_modules():
            if any(True for _ in module.parameters(recurse=False)):
                reset = getattr(module, "reset_parameters", None)
                if reset is None:
                    raise ValueError(
                        f"model.network must have modules that can begin anew for pipeline=scratch; {name or 'it'}, a "
                        f"{type(module).__name__}, has parameters and no method reset_parameters"
                    )
                reset()
        if callable(own := getattr(network, "initialise", None)):
            own()
        elif _is_torchvisions(network):
            _like_torchvision(network)


def _is_torchvisions(network: nn.Module) -> bool:
    from torchvision.models.resnet import ResNet  # it brings 140 MB, which only a network of its kind needs

    return isinstance(network, ResNet)


def _like_torchvision(network: nn.Module) -> None:
    """What the constructor of torchvision's residual networks does."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def check_initialiser(description: dict[str, Any]) -> None:
    """Find out whether `initialise` draws what a network's constructor draws.

    Args:
        description: Hydra's, of the network: `_target_` and arguments.

    Raises:
        ValueError: If it does not; names the first parameter.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        made = build(description)
    again = copy.deepcopy(made)
    initialise(again, 1)
    for (name, first), second in zip(made.named_parameters(), again.parameters(), strict=True):
        if first.numel() < SEEN:
            continue
        one, other = (tensor.detach().double() for tensor in (first, second))
        spreads = one.std().item(), other.std().item()
        means = abs(one.mean().item() - other.mean().item())
        if means > max(spreads) or max(spreads) > 1.5 * min(spreads):
            raise ValueError(
                f"model.network must say how it begins for pipeline=scratch; the constructor of {type(made).__name__} "
                f"draws {name} with a standard deviation of {spreads[0]:.3g}, and its modules' reset_parameters with "
                f"{spreads[1]:.3g}: give it a method initialise() that does what the constructor does to them"
            )
