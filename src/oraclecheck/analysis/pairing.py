"""Which combinations of two studies are the same."""

from collections.abc import Sequence

import pandas as pd

from oraclecheck.analysis.words import as_text, heading
from oraclecheck.records.combination_key import Key, is_number

# What numbers two spaces differently. Files of points know it at most in part.
_NUMBERING = ("layers", "pruning_ratio", "order", "space_size")


def paired(a: pd.DataFrame, keys_a: Sequence[Key], b: pd.DataFrame, keys_b: Sequence[Key]) -> list[tuple[int, int]]:
    """Rows of the combinations that two studies share, in the order of the first.

    Combinations are the same if the same filters were removed. Where neither study knows them, as in two files of
    points, they are the same if their numbers are, provided that nothing speaks against it.

    Args:
        a: Rows of one study, whose identity columns are the same in all.
        keys_a: Keys of its combinations.
        b: The same of the other.
        keys_b: Their keys.

    Raises:
        ValueError: If only one of them knows the filters; or if neither does, and what is known of the two spaces
            differs, or both are numbered from 0 without a gap and differ in length.
    """
    if not keys_a or not keys_b:
        return []
    if by_number(keys_a, keys_b):
        _check_numbering(a, keys_a, b, keys_b)
    elif any(map(is_number, [*keys_a, *keys_b])):
        raise ValueError(
            "studies to compare must both say which filters each combination removed, or neither; "
            f"{_name(a if is_number(keys_a[0]) else b)} does not: give it a column removed"
        )
    place = {key: row for row, key in enumerate(keys_b)}
    return [(row, place[key]) for row, key in enumerate(keys_a) if key in place]


def by_number(keys_a: Sequence[Key], keys_b: Sequence[Key]) -> bool:
    """Whether combinations can only be told by their numbers."""
    return all(map(is_number, [*keys_a, *keys_b]))


def _check_numbering(a: pd.DataFrame, keys_a: Sequence[Key], b: pd.DataFrame, keys_b: Sequence[Key]) -> None:
    agreed = 0
    for column in _NUMBERING:
        one, other = (_told(table, column) for table in (a, b))
        if one and other and one != other:
            raise ValueError(
                "studies that do not say which filters were removed must number the same combinations to be compared; "
                f"{heading(column)} is {one} in {_name(a)} and {other} in {_name(b)}"
            )
        agreed += bool(one and other and column in ("order", "space_size"))
    lengths = [len(keys) for keys in (keys_a, keys_b) if sorted(keys) == [(i,) for i in range(len(keys))]]
    if agreed < 2 and len(lengths) == 2 and lengths[0] != lengths[1]:
        raise ValueError(
            "studies that do not say which filters were removed must have as many combinations as each other to be "
            f"compared row by row; {_name(a)} has {lengths[0]} and {_name(b)} {lengths[1]}: give both a column removed"
        )


def _told(table: pd.DataFrame, column: str) -> str:
    value = table[column].iloc[0] if column in table else None
    return as_text(value) if isinstance(value, list | dict) or not pd.isna(value) else ""


def _name(table: pd.DataFrame) -> str:
    return str(table["study"].iloc[0])
