"""Combinations: which filters a pruned network loses, of how many in how many layers."""

import math
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oraclecheck.pruning.masks.choice import is_mask_choice, spell_choice
from oraclecheck.spelling import spell_number

Removed = dict[str, tuple[int, ...]]
"""Layer name -> ascending indices of its removed filters, 0-based, in the dense network's numbering."""

MOST_FILTERS = 65_536
"""Of a layer: more than any network has, and the binomials of it still take less than a second."""


def removed_count(filters: int, ratio: float) -> int:
    """Number of filters a layer loses at a pruning ratio: `ceil(filters * ratio)`, blind to rounding of the product.

    The slack of 1e-9 keeps 100 * 0.07 = 7.000000000000001 at 7. It equals `int(filters * ratio)` in every setting of
    Feng et al., and only the ceiling gives the speed-ups that Wang et al. (arXiv 2301.05219) publish.

    Args:
        filters: Filters of the dense layer, at least 1.
        ratio: Fraction of them to remove, in [0, 1).
    """
    return math.ceil(filters * ratio - 1e-9)


@dataclass(frozen=True)
class LayerChoice:
    """One prunable layer of a combination space: `removed` of its `filters` go, at least one stays.

    Raises:
        ValueError: If `removed` is negative or leaves no filter, or there are more than `MOST_FILTERS`.
    """

    name: str
    filters: int
    removed: int

    def __post_init__(self) -> None:
        """Refuse a layer that could not be built."""
        if not 0 <= self.removed < self.filters:
            raise ValueError(
                f"a pruning ratio must remove no fewer than 0 and leave at least 1 of the {self.filters} filters "
                f"of {self.name}; got {self.removed} removed"
            )
        if self.filters > MOST_FILTERS:
            raise ValueError(
                f"a layer whose filters are to be chosen must have at most {MOST_FILTERS} of them; {self.name} has "
                f"{spell_number(self.filters)}"
            )

    def validate(self, chosen: Sequence[int]) -> None:
        """Accept exactly the choices of `removed` filters of this layer.

        Args:
            chosen: Indices of its removed filters.

        Raises:
            ValueError: If they are not plain integers, not distinct, not ascending, outside [0, filters), or not
                `removed` of them; one sentence.
        """
        rule = f"removed filters of {self.name} must"
        for index in chosen:
            # Neither a bool nor a NumPy integer: both would pass as indices and then be hashed or stored differently.
            if type(index) is not int:
                raise ValueError(f"{rule} be plain integers; got {index!r}")
            if not 0 <= index < self.filters:
                raise ValueError(f"{rule} lie in 0..{self.filters - 1}; got {spell_number(index)}")
        if len(set(chosen)) < len(chosen):
            repeated = next(index for index in chosen if list(chosen).count(index) > 1)
            raise ValueError(f"{rule} be distinct; got {repeated} more than once")
        if len(chosen) != self.removed:
            raise ValueError(f"{rule} number {self.removed}; got {len(chosen)}")
        if list(chosen) != sorted(chosen):
            raise ValueError(f"{rule} ascend; got {reprlib.repr(tuple(chosen))}")


def spell_removed(removed: Mapping[str, Any], most: int | None = None) -> str:
    """Removed filters for a reader: "conv1 0, 3; conv2 1, 5"; of single weights how they were chosen.

    Args:
        removed: Layer name -> indices of its removed filters; or a `MaskChoice`.
        most: How many filters are named, the first ones; where there are more, how many there are in all follows:
            "conv1 0, 3 … (1,536 filters in 12 layers)". None names all.
    """
    if is_mask_choice(removed):
        return spell_choice(removed)
    layers = {name: listed for name, filters in removed.items() if (listed := list(filters))}
    total = sum(map(len, layers.values()))
    left = total if most is None else most
    parts = []
    for name, filters in layers.items():
        if left > 0:
            parts.append(f"{name} {', '.join(map(str, filters[:left]))}")
        left -= len(filters)
    text = "; ".join(parts)
    if left >= 0:
        return text
    return f"{text} … ({total:,} filters in {len(layers)} layer{'s' if len(layers) > 1 else ''})"
