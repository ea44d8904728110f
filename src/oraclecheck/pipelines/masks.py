"""The masks of an unstructured combination: made from the dense network, kept beside its runs, proven by their hash."""

from pathlib import Path
from typing import Any

from torch import nn

from oraclecheck.pruning.masks.choice import MASK
from oraclecheck.pruning.masks.network import weights_of
from oraclecheck.pruning.masks.packed import MASKS_FILE, keep_masks
from oraclecheck.pruning.masks.space import MaskSpace, Space


def with_masks(removed: dict[str, Any], space: Space, dense: nn.Module, folder: Path) -> dict[str, Any]:
    """What a combination removes, with the hash of its masks if it has masks.

    Args:
        removed: The combination, as its space has it.
        space: The space.
        dense: The dense network.
        folder: Of the combination's runs, where its masks are kept.

    Raises:
        ValueError: If other masks are there.
    """
    if not isinstance(space, MaskSpace):
        return removed
    masks = space.masks(weights_of(dense, [layer.name for layer in space.layers]), removed)
    return {**removed, MASK: keep_masks(folder / MASKS_FILE, masks)}
