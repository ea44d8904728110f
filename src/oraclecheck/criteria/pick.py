"""What a criterion picks: of each layer the filters whose scores say that they are the best to remove."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from oraclecheck.pruning.combination import LayerChoice, Removed


def least(scores: Mapping[str, Tensor], layers: Iterable[LayerChoice]) -> Removed:
    """The combination of the filters with the least scores of their layer; of equal scores the first filters go.

    For an additive criterion no combination of the space has a lower score: how many filters a layer loses is fixed, so
    that the choices of the layers do not depend on each other, and what a layer's scores are divided by where there
    are several is the same for all combinations. That is so of every space there is; nothing here is greedy.

    Args:
        scores: Layer -> the scores of its filters, shape (filters,).
        layers: How many filters of which layers go.
    """
    picked = {}
    for layer in layers:
        order = torch.argsort(scores[layer.name], stable=True)
        picked[layer.name] = tuple(sorted(order[: layer.removed].tolist()))
    return picked
