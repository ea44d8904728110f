"""What tells a combination: the key under which its records are found again, within a study and in another one."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from oraclecheck.pruning.masks.choice import METHOD, NOISE, SEED, is_mask_choice

Key = tuple[Any, ...]


def combination_keys(table: pd.DataFrame) -> list[Key]:
    """The key of each row's combination: equal if and only if two records of one network are of the same combination.

    Numbers depend on how a study orders its space; removed filters do not, so they are the key wherever they are known:
    layers with their removed filters, sorted, or how single weights were chosen. A file of points knows only numbers,
    and then the number is the key.

    Args:
        table: With the columns `removed` (layer -> its removed filters in any order, empty or None where a source does
            not say) and `combo` (None where a criterion picked the combination).

    Raises:
        ValueError: If neither is known.
    """
    return [_key(removed, combo) for removed, combo in zip(table["removed"], table["combo"], strict=True)]


def _key(removed: Any, combo: Any) -> Key:
    if is_mask_choice(removed):
        return (removed[METHOD], removed[NOISE], removed[SEED])
    if isinstance(removed, Mapping) and removed:
        return tuple((str(layer), tuple(sorted(removed[layer]))) for layer in sorted(removed))
    if pd.isna(combo):
        raise ValueError("a combination must have its removed filters or its number (columns removed and combo)")
    return (int(combo),)


def knows_filters(key: Key) -> bool:
    """Whether a key is made of removed filters, which combinations may share."""
    return isinstance(key[0], tuple)


def is_number(key: Key) -> bool:
    """Whether a key is a number alone."""
    return isinstance(key[0], int)
