"""The L1-norm criterion (Li et al., Pruning Filters for Efficient ConvNets, ICLR 2017)."""

from collections.abc import Sequence

import torch
from torch import nn

from oraclecheck.pruning.combination import LayerChoice, Removed


def l1_choice(network: nn.Module, layers: Sequence[LayerChoice]) -> Removed:
    """The combination the L1 norm chooses: in each layer the filters with the least sum of absolute weights.

    Args:
        network: The dense network.
        layers: How many filters of which layers go.
    """
    chosen = {}
    for layer in layers:
        weight = network.get_submodule(layer.name).weight
        assert isinstance(weight, torch.Tensor)
        norms = weight.detach().abs().flatten(1).double().sum(1)
        order = torch.argsort(norms, stable=True).tolist()
        chosen[layer.name] = tuple(sorted(order[: layer.removed]))
    return chosen
