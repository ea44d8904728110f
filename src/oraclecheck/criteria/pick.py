"""What a criterion picks: of each layer the filters whose scores say that they are the best to remove."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from oraclecheck.pruning.combination import LayerChoice, Removed


def least(scores: Mapping[str, Tensor], layers: Iterable[LayerChoice]) -> Removed:
    """The combination of the filters with the least scores of their layer; of equal scores the first filters go.

    For an additive criterion no combination of the space has a lower score.

    Args:
        scores: Layer -> the scores of its filters, shape (filters,).
        layers: How many filters of which layers go.
    """
    picked = {}
    for layer in layers:
        order = torch.argsort(scores[layer.name], stable=True)
        picked[layer.name] = tuple(sorted(order[: layer.removed].tolist()))
    return picked
