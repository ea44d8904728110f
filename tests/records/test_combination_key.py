"""One key tells a combination everywhere."""

import pytest

from oraclecheck.records.combination_key import combination_key, knows_filters


def test_key_is_the_set_of_removed_filters_whatever_their_order_and_number():
    key = combination_key({"conv2": [5, 1], "conv1": [0]}, 17)
    assert key == combination_key({"conv1": (0,), "conv2": (1, 5)}, None) and knows_filters(key)
    assert key != combination_key({"conv1": [0], "conv2": [1, 6]}, 17)
    assert combination_key({"conv1": [0, 1]}, 0) != combination_key({"conv2": [0, 1]}, 0)


def test_key_is_the_number_where_the_filters_are_not_known():
    for nothing in ({}, None, float("nan")):
        key = combination_key(nothing, 2**70)
        assert key == (2**70,) and not knows_filters(key)


def test_key_of_a_combination_of_which_nothing_is_known_is_refused():
    with pytest.raises(ValueError, match="must have its removed filters or its number"):
        combination_key({}, None)
