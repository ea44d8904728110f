"""Scores by the magnitude of weights."""

from collections.abc import Sequence

from torch import Tensor, nn

from oraclecheck.data.images import LabelledImages
from oraclecheck.pruning.layers import filter_weights


def l1(network: nn.Module, data: LabelledImages | None, layers: Sequence[str]) -> dict[str, Tensor]:
    """The L1 norm of each filter (Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017, section 3.1).

    A head's weights are its rows of queries, keys and values; a bias is no weight.

    Args:
        network: The dense network.
        data: Not looked at.
        layers: Names of its layers.

    Returns:
        Layer -> sums of absolute weights, float64 of shape (filters,); lower is better to remove.
    """
    return {name: filter_weights(network, name).detach().abs().double().sum(1) for name in layers}


def l2(network: nn.Module, data: LabelledImages | None, layers: Sequence[str]) -> dict[str, Tensor]:
    """The L2 norm of each filter (Li et al., ICLR 2017): the root of the sum of its squared weights.

    Arguments and result are those of `l1`.
    """
    return {name: filter_weights(network, name).detach().double().norm(dim=1) for name in layers}
