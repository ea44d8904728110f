"""Scores that know nothing: the floor that every criterion must beat."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from oraclecheck.data.images import LabelledImages
from oraclecheck.pruning.layers import filter_weights
from oraclecheck.seeds import derive_seed


def random(
    network: nn.Module, data: LabelledImages | None, layers: Sequence[str], *, seed: int = 0
) -> dict[str, Tensor]:
    """A permutation of 1 to the number of filters for each layer.

    Args:
        network: The dense network, of which only the number of filters matters.
        data: Not looked at.
        layers: Names of its layers.
        seed: Another seed gives another permutation.

    Returns:
        Layer -> float64 of shape (filters,).
    """
    scores = {}
    for name in layers:
        generator = torch.Generator().manual_seed(derive_seed(seed, "criterion", name))
        scores[name] = torch.randperm(len(filter_weights(network, name)), generator=generator).double() + 1
    return scores
