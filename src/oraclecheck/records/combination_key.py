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

    Iterative pruning has more: in which round a filter goes; the filters of each layer are listed round by round.

    Args:
        table: With the columns `removed` (layer -> its removed filters in any order, empty or None where a source does
            not say), `combo` (None where a criterion picked the combination) and maybe `pipeline`.

    Raises:
        ValueError: If neither is known.
    """
    pipelines = table["pipeline"] if "pipeline" in table else [None] * len(table)
    rows = zip(table["removed"], table["combo"], pipelines, strict=True)
    return [_key(removed, combo, pipeline == "iterative") for removed, combo, pipeline in rows]


def _key(removed: Any, combo: Any, in_rounds: bool) -> Key:
    if is_mask_choice(removed):
        return (removed[METHOD], removed[NOISE], removed[SEED])
    if isinstance(removed, Mapping) and removed:
        order: Any = tuple if in_rounds else sorted
        return tuple((str(layer), tuple(order(removed[layer]))) for layer in sorted(removed))
    if pd.isna(combo):
        raise ValueError("a combination must have its removed filters or its number (columns removed and combo)")
    return (int(combo),)


def knows_filters(key: Key) -> bool:
    """Whether a key is made of removed filters, which combinations may share."""
    return isinstance(key[0], tuple)


def is_number(key: Key) -> bool:
    """Whether a key is a number alone."""
    return isinstance(key[0], int)
