"""How a study prunes: from the dense network and a combination to the pruned network."""

from dataclasses import dataclass

import torch
from torch import nn

from oraclecheck.pruning.combination import Removed
from oraclecheck.pruning.structured import prune, prune_as_released
from oraclecheck.pruning.width import prune_width


@dataclass(frozen=True)
class Pruner:
    """Gives the pruned copy of a dense network.

    Args:
        scheme: "heads", or "width" as in width.py.
        behind: The filters whose inputs the layers behind lose where networks are wired as the released code wires
            them; None where they are wired correctly.
        input_shape: Shape of one image.
        channels_last: Whether networks use that memory layout.
    """

    scheme: str
    behind: Removed | None
    input_shape: tuple[int, ...]
    channels_last: bool

    def __call__(self, dense: nn.Module, removed: Removed) -> nn.Module:
        """The dense network without the removed filters; it is not changed."""
        example = torch.zeros(1, *self.input_shape, device=next(dense.parameters()).device)
        if self.scheme == "width":
            pruned: nn.Module = prune_width(dense, removed)
        elif self.behind is not None:
            pruned = prune_as_released(dense, removed, self.behind, example)
        else:
            pruned = prune(dense, removed, example)
        if self.channels_last:  # which slicing loses
            pruned = pruned.to(memory_format=torch.channels_last)
        return pruned
