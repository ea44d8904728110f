"""Scores by the scale of the BatchNorm behind a layer."""

from collections.abc import Sequence

from torch import Tensor, nn

from oraclecheck.criteria.measuring import measured
from oraclecheck.criteria.neighbours import BATCH_NORMALISATIONS, modules_behind
from oraclecheck.data.images import LabelledImages


def bn_scale(network: nn.Module, data: LabelledImages, layers: Sequence[str]) -> dict[str, Tensor]:
    """The absolute scale (gamma) of each channel in the BatchNorm behind its layer (Liu et al., ICCV 2017, Eq. 1).

    Args:
        network: The dense network.
        data: A single image of them shows what stands behind a layer.
        layers: Names of its layers.

    Returns:
        Layer -> float64 of shape (filters,); lower is better to remove.

    Raises:
        ValueError: If there is no BatchNorm with a scale directly behind a layer.
    """
    with measured(network, data.device):
        behind = modules_behind(network, layers, BATCH_NORMALISATIONS, next(data.batches(1))[0])
    scores = {}
    for name in layers:
        scale = network.get_submodule(behind[name]).weight if name in behind else None
        if not isinstance(scale, Tensor):
            raise ValueError(f"bn_scale must have a BatchNorm with a scale directly behind each layer; {name} has none")
        scores[name] = scale.detach().abs().double()
    return scores
