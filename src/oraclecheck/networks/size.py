"""The size of a network."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from oraclecheck.networks.shadow import to_meta


def parameters_and_macs(network: nn.Module, input_shape: Sequence[int]) -> tuple[int, int]:
    """Parameters, and multiply-accumulates of convolutions and linear layers for one input.

    Nothing is computed: the counting runs on a copy on the meta device.

    Args:
        network: Any network.
        input_shape: Shape of one input without the batch, e.g. (1, 32, 32).
    """
    shadow = to_meta(network).eval()
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter:
        shadow(torch.empty(1, *input_shape, device="meta"))
    return sum(parameter.numel() for parameter in network.parameters()), counter.get_total_flops() // 2
