"""Scores by the distance to the other filters of the layer."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from oraclecheck.data.images import LabelledImages
from oraclecheck.pruning.layers import filter_weights


def fpgm(network: nn.Module, data: LabelledImages | None, layers: Sequence[str]) -> dict[str, Tensor]:
    """The distances of a filter's weights to those of all filters of its layer, summed.

    He et al., "Filter Pruning via Geometric Median", CVPR 2019, Eq. 5 and 6: the filters nearest to the geometric
    median of all are the ones that the others can replace.

    Args:
        network: The dense network.
        data: Not looked at.
        layers: Names of its layers.

    Returns:
        Layer -> sums of Euclidean distances, float64 of shape (filters,); lower is better to remove.
    """
    scores = {}
    for name in layers:
        weights = filter_weights(network, name).detach().double()
        # by differences: the product of matrices that is quicker for many filters cancels for near ones
        scores[name] = torch.cdist(weights, weights, compute_mode="donot_use_mm_for_euclid_dist").sum(1)
    return scores
