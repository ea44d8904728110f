"""One budget over all layers: how many filters a global threshold on a criterion's scores removes of each."""

import math
from collections.abc import Mapping, Sequence

from torch import Tensor

from oraclecheck.pruning.combination import LayerChoice


def removed_by_threshold(scores: Mapping[str, Tensor], layers: Sequence[LayerChoice], ratio: float) -> dict[str, int]:
    """How many filters of each layer are among the least of all layers, at least one being kept of each.

    Scores of several layers are divided by the mean of the absolute values of their layer, as they are where they are
    added. Given how many filters go in all and that each layer keeps one, no other choice has a smaller sum.

    Args:
        scores: Layer -> scores of its filters, as `additive.checked` gives them.
        layers: The layers that the budget is for; how many each loses is not looked at.
        ratio: Fraction of the filters of all of them to remove, in (0, 1); the number is `ceil(n * ratio - 1e-9)`.

    Returns:
        Layer -> number of its removed filters, also 0, in the order of the layers.

    Raises:
        ValueError: If so many cannot go.
    """
    total = sum(layer.filters for layer in layers)
    wanted = math.ceil(total * ratio - 1e-9)
    if wanted > total - len(layers):
        raise ValueError(
            f"pruning.budget must leave a filter in each of {len(layers)} layers; a ratio of {ratio:g} removes "
            f"{wanted} of {total} filters"
        )
    pooled = []
    for layer in layers:
        mean = scores[layer.name].abs().mean() if len(layers) > 1 else 1.0
        pooled += [(value, layer) for value in (scores[layer.name] / mean).tolist()]
    removed = {layer.name: 0 for layer in layers}
    for _, layer in sorted(pooled, key=lambda place: place[0]):
        if wanted and removed[layer.name] < layer.filters - 1:
            removed[layer.name] += 1
            wanted -= 1
    return removed
