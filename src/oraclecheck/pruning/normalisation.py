"""What a normalisation keeps when channels go: its own weights and statistics, in the channels' order.

torch-pruning puts a LayerNorm's channels in the order of a Python set, deals a GroupNorm's channels out to its groups
anew, and forgets an InstanceNorm's running statistics.
"""

from collections.abc import Sequence

import torch
from torch import nn

SLICED = (nn.LayerNorm, nn.RMSNorm, nn.GroupNorm, nn.modules.instancenorm._InstanceNorm)
"""Normalisations that `slice_normalisation` cuts; a BatchNorm is torch-pruning's."""


def slice_normalisation(name: str, module: nn.Module, removed: Sequence[int]) -> None:
    """Take channels out of a normalisation, in place.

    A LayerNorm normalises over the channels that are kept, a GroupNorm each of its groups over the channels it has
    left.

    Args:
        name: Its name, for messages.
        module: One of `SLICED`.
        removed: Indices of the channels that go.

    Raises:
        ValueError: If the groups of a GroupNorm would not lose equally many channels, or a LayerNorm normalises over
            more than the channels.
    """
    if isinstance(module, nn.GroupNorm):
        channels, groups = module.num_channels, module.num_groups
        size = channels // groups
        lost = [sum(channel // size == group for channel in removed) for group in range(groups)]
        if size == 1:
            module.num_groups -= len(removed)
        elif min(lost) < max(lost):
            raise ValueError(
                "pruning.ratio must not name a layer before a GroupNorm of several groups of several channels, from "
                f"which combinations take unequally many, whatever the ratio; the {groups} groups of {name} would lose "
                f"{min(lost)} to {max(lost)} of their {size}"
            )
        module.num_channels -= len(removed)
    elif isinstance(module, nn.LayerNorm | nn.RMSNorm):
        if len(module.normalized_shape) != 1:
            raise ValueError(
                f"pruning.ratio must not prune what a {type(module).__name__} normalises together with positions; "
                f"{name} normalises {list(module.normalized_shape)}"
            )
        channels = module.normalized_shape[0]
        module.normalized_shape = (channels - len(removed),)
    else:
        assert isinstance(module, nn.modules.instancenorm._InstanceNorm)
        channels = module.num_features
        module.num_features -= len(removed)
    kept = torch.tensor(sorted(set(range(channels)) - set(removed)))
    for key, parameter in module.named_parameters(recurse=False):
        setattr(module, key, nn.Parameter(parameter.detach().index_select(0, kept.to(parameter.device))))
    for key, buffer in module.named_buffers(recurse=False):
        if buffer.ndim:  # not the count of batches
            setattr(module, key, buffer.index_select(0, kept.to(buffer.device)))
