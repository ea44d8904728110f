"""Additive criteria: the score of a combination is the sum over its removed filters."""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from oraclecheck.criteria.activations import activation
from oraclecheck.criteria.chance import random
from oraclecheck.criteria.fpgm import fpgm
from oraclecheck.criteria.gradients import fisher, taylor
from oraclecheck.criteria.magnitude import l1, l2
from oraclecheck.criteria.normalisation import bn_scale
from oraclecheck.data.images import LabelledImages
from oraclecheck.pruning.combination import LayerChoice

FilterScores = Callable[..., dict[str, Tensor]]
"""(dense network, training images, names of layers) -> layer -> scores of its filters; lower is better to remove."""

ADDITIVE: dict[str, FilterScores] = {
    "l1": l1,
    "l2": l2,
    "bn_scale": bn_scale,
    "fpgm": fpgm,
    "taylor": taylor,
    "fisher": fisher,
    "activation": activation,
    "random": random,
}
"""The criteria that may pick a combination, by the names that `combo=` takes."""


def filter_scores(
    name: str, function: FilterScores, network: nn.Module, data: LabelledImages, layers: Sequence[LayerChoice]
) -> dict[str, Tensor]:
    """What an additive criterion says of the filters of a dense network; see `checked`.

    Args:
        name: The criterion's, for messages.
        function: The criterion.
        network: The dense network, on whichever device; it is not changed.
        data: Training images.
        layers: The prunable layers.
    """
    there = copy.deepcopy(network).to(data.device)
    return checked(name, function(there, data, [layer.name for layer in layers]), layers)


def checked(name: str, scores: Mapping[str, Any], layers: Iterable[LayerChoice]) -> dict[str, Tensor]:
    """What a criterion gives for filters, as float64 on the CPU, of the prunable layers alone.

    Args:
        name: The criterion's, for messages.
        scores: Layer -> scores of its filters, numbers in anything that a tensor can be made of.
        layers: The prunable layers.

    Raises:
        ValueError: If a layer is missing, has other than one number for each filter, one that is not finite, or only
            equal ones, which tell no filter from another.
    """
    found = {}
    for layer in layers:
        if layer.name not in scores:
            raise ValueError(f"{name} must score the filters of every pruned layer; it gives none for {layer.name}")
        rule = f"{name} must give a number for each of the {layer.filters} filters of {layer.name}"
        try:
            values = torch.as_tensor(scores[layer.name]).detach().cpu().double()
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"{rule}; got {type(scores[layer.name]).__name__}: {error}") from None
        if values.shape != (layer.filters,):
            raise ValueError(f"{rule}; got shape {list(values.shape)}")
        if not values.isfinite().all():
            worst = int(values.isfinite().logical_not().nonzero()[0])
            raise ValueError(f"{rule} that is finite; got {values[worst].item()} for filter {worst}")
        if layer.filters > 1 and (values == values[0]).all():
            raise ValueError(f"{rule} that tells filters apart; got {values[0].item():g} for all of them")
        found[layer.name] = values
    return found


def combination_score(scores: Mapping[str, Tensor], removed: Mapping[str, Sequence[int]]) -> float:
    """The sum over the removed filters; in several layers of scores that are divided by their layer's mean.

    Scores of different layers have different scales; divided by the mean of their absolute values they can be added.
    A single layer's are added as they are.

    Args:
        scores: Layer -> scores of its filters, as `checked` gives them.
        removed: Layer -> its removed filters.
    """
    total = 0.0
    for layer, filters in removed.items():
        mean = scores[layer].abs().mean().item() if len(removed) > 1 else 1.0
        total += scores[layer][list(filters)].sum().item() / mean
    return total
