"""One key tells a combination everywhere."""

from typing import Any

import pandas as pd
import pytest

from oraclecheck.records.combination_key import Key, combination_keys, knows_filters


def key_of(removed: Any, combo: int | None) -> Key:
    table = pd.DataFrame({"removed": pd.Series([removed], dtype=object), "combo": pd.Series([combo], dtype=object)})
    (key,) = combination_keys(table)
    return key


def test_key_is_the_set_of_removed_filters_whatever_their_order_and_number():
    key = key_of({"conv2": [5, 1], "conv1": [0]}, 17)
    assert key == key_of({"conv1": (0,), "conv2": (1, 5)}, None) and knows_filters(key)
    assert key != key_of({"conv1": [0], "conv2": [1, 6]}, 17)
    assert key_of({"conv1": [0, 1]}, 0) != key_of({"conv2": [0, 1]}, 0)


def test_key_is_the_number_where_the_filters_are_not_known():
    for nothing in ({}, None, float("nan")):
        key = key_of(nothing, 2**70)
        assert key == (2**70,) and not knows_filters(key)


def test_key_of_a_combination_of_which_nothing_is_known_is_refused():
    with pytest.raises(ValueError, match="must have its removed filters or its number"):
        key_of({}, None)
