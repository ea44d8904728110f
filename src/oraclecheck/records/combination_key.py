"""What tells a combination: the key under which its records are found again, within a study and in another one."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

Key = tuple[Any, ...]


def combination_key(removed: Any, combo: Any) -> Key:
    """The key of a combination: equal if and only if two records of one network are of the same combination.

    Numbers depend on how a study orders its space; removed filters do not, so they are the key wherever they are known.
    A file of points knows only numbers.

    Args:
        removed: Layer -> its removed filters, in any order; empty or None where a source does not say.
        combo: The combination's number; None where a criterion picked it.

    Returns:
        Layers with their removed filters, sorted; the number alone where the filters are not known.

    Raises:
        ValueError: If neither is known.
    """
    if isinstance(removed, Mapping) and removed:
        return tuple((str(layer), tuple(sorted(removed[layer]))) for layer in sorted(removed))
    if pd.isna(combo):
        raise ValueError("a combination must have its removed filters or its number (columns removed and combo)")
    return (int(combo),)


def combination_keys(table: pd.DataFrame) -> list[Key]:
    """The key of each row of a table with the columns `removed` and `combo`.

    Raises:
        ValueError: As `combination_key`.
    """
    return [combination_key(removed, combo) for removed, combo in zip(table["removed"], table["combo"], strict=True)]


def knows_filters(key: Key) -> bool:
    """Whether a key is made of removed filters and not of a number."""
    return not isinstance(key[0], int)
