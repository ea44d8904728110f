"""How many times fewer multiply-accumulates a pruned network has."""

import torch
from torch import nn

from oraclecheck.errors import tell
from oraclecheck.networks.shadow import parameters_and_macs
from oraclecheck.pruning.combination import Removed
from oraclecheck.pruning.structured import prune
from oraclecheck.pruning.width import prune_width


def macs(shadow: nn.Module, removed: Removed, scheme: str, input_shape: tuple[int, ...], key: str) -> tuple[int, int]:
    """Multiply-accumulates for one image of a network and of the network without the removed filters.

    They are the same for every combination, which removes as many filters of the same layers.

    Args:
        shadow: The network, or its shadow.
        removed: A combination.
        scheme: "heads" or "width".
        input_shape: Of one image.
        key: The configuration key that needs them, for messages.

    Raises:
        ValueError: If they cannot be counted.
    """
    rule = f"{key} must have a network whose multiply-accumulates can be counted"
    try:
        image = torch.zeros(1, *input_shape, device="meta")
        pruned = prune_width(shadow, removed) if scheme == "width" else prune(shadow, removed, image)
        counted = parameters_and_macs(shadow, input_shape)[1], parameters_and_macs(pruned, input_shape)[1]
    except Exception as error:
        raise ValueError(f"{rule}; {type(shadow).__name__} raises {tell(error)}") from error
    if not all(counted):
        raise ValueError(f"{rule}; {type(shadow).__name__} has none in convolutions and linear layers")
    return counted
