"""What a criterion picks: of each layer the filters whose scores say that they are the best to remove."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from oraclecheck.criteria.magnitude import l1
from oraclecheck.pruning.combination import LayerChoice, Removed

FilterScore = Callable[[nn.Module, str], Tensor]
"""Network and name of a layer -> the scores of its filters, shape (filters,); lower is better to remove."""

FILTER_SCORES: dict[str, FilterScore] = {"l1": l1}
"""The criteria that may pick a combination, by the names that `combo=` takes."""


def least(score: FilterScore, network: nn.Module, layers: Iterable[LayerChoice]) -> Removed:
    """The combination of the filters with the least scores of their layer; of equal scores the first filters go.

    Args:
        score: Scores the filters of a layer.
        network: The dense network.
        layers: How many filters of which layers go.
    """
    picked = {}
    for layer in layers:
        order = torch.argsort(score(network, layer.name), stable=True)
        picked[layer.name] = tuple(sorted(order[: layer.removed].tolist()))
    return picked
