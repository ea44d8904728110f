"""The L1-norm criterion (Li et al., Pruning Filters for Efficient ConvNets, ICLR 2017)."""

from collections.abc import Sequence

import torch
from torch import nn

from oraclecheck.pruning.combination import LayerChoice, Removed
from oraclecheck.pruning.layers import filter_weights


def l1_choice(network: nn.Module, layers: Sequence[LayerChoice]) -> Removed:
    """The combination the L1 norm chooses: in each layer the filters with the least sum of absolute weights.

    A head's weights are its rows of queries, keys and values.

    Args:
        network: The dense network.
        layers: How many filters of which layers go.
    """
    chosen = {}
    for layer in layers:
        norms = filter_weights(network, layer.name).detach().abs().double().sum(1)
        order = torch.argsort(norms, stable=True).tolist()
        chosen[layer.name] = tuple(sorted(order[: layer.removed]))
    return chosen
