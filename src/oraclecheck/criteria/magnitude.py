"""Scores by the magnitude of weights."""

from torch import Tensor, nn

from oraclecheck.pruning.layers import filter_weights


def l1(network: nn.Module, layer_name: str) -> Tensor:
    """The L1 norm of each filter (Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017, section 3.1).

    A head's weights are its rows of queries, keys and values.

    Args:
        network: The dense network.
        layer_name: One of its layers.

    Returns:
        Sums of absolute weights, float64 of shape (filters,); lower is better to remove.
    """
    return filter_weights(network, layer_name).detach().abs().double().sum(1)
