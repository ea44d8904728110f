"""The masks of an unstructured combination: made from the dense network, kept beside its runs, proven by their hash."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from oraclecheck.pruning.masks.choice import MASK, MOST_SHOWN
from oraclecheck.pruning.masks.network import weights_of
from oraclecheck.pruning.masks.packed import MASKS_FILE, keep_masks, mask_hash
from oraclecheck.pruning.masks.space import MaskSpace, Space


def masks_of(removed: Mapping[str, Any], space: MaskSpace, dense: nn.Module) -> dict[str, Tensor]:
    """The masks of a combination, layer -> bool, True where the weight goes.

    Args:
        removed: The combination, with the hash of its masks if they were made before.
        space: The space.
        dense: The dense network.

    Raises:
        ValueError: If they have another hash.
    """
    masks = space.masks(weights_of(dense, [layer.name for layer in space.layers]), removed)
    recorded = removed.get(MASK)
    if recorded is not None and (made := mask_hash(masks)) != recorded:
        raise ValueError(
            f"masks of a combination must be the same wherever they are made; its record has {recorded[:MOST_SHOWN]}, "
            f"here they are {made[:MOST_SHOWN]}: another version of NumPy or torch made them: install that one"
        )
    return masks


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
    return {**removed, MASK: keep_masks(folder / MASKS_FILE, masks_of(removed, space, dense))}
