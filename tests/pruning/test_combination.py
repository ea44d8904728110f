"""How many filters go, which choices of them there are, and how a reader is told of them."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oraclecheck.pruning.combination import LayerChoice, removed_count, spell_removed


@pytest.mark.parametrize("ratio", [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
def test_removed_count_equals_truncation_in_the_papers_lenet_settings(ratio):
    assert removed_count(10, ratio) == int(10 * ratio)


@pytest.mark.parametrize(
    ("filters", "ratio", "expected"),
    [(100, 0.07, 7), (100, 0.55, 55), (50, 0.14, 7), (25, 0.28, 7), (100, 0.29, 29), (64, 0.95, 61), (10, 0.0, 0)],
)
def test_removed_count_is_the_ceiling_of_the_decimal_product(filters, ratio, expected):
    assert math.ceil(filters * Fraction(str(ratio))) == expected
    assert removed_count(filters, ratio) == expected


@settings(deadline=None)
@given(st.integers(1, 4096), st.integers(0, 9999))
def test_removed_count_agrees_with_exact_fractions(filters, ten_thousandths):
    assert removed_count(filters, ten_thousandths / 10_000) == math.ceil(filters * Fraction(ten_thousandths, 10_000))


@pytest.mark.parametrize("removed", [-1, 10, 11])
def test_layer_choice_refuses_a_layer_without_filters_left(removed):
    with pytest.raises(ValueError, match=f"leave at least 1 of the 10 filters of conv1; got {removed} removed"):
        LayerChoice("conv1", 10, removed)


def test_layers_wider_than_binomials_can_be_made_of_are_refused(command):
    assert LayerChoice("conv1", 65_536, 1).filters == 65_536
    with pytest.raises(ValueError, match="must have at most 65536 of them; conv1 has 65537"):
        LayerChoice("conv1", 65_537, 1)
    code, _, err = command("+model.network.conv1_filters=100000000000")
    assert code == 2 and "must have at most 65536 of them; conv1 has 100000000000" in err


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ((3, 3), "be distinct; got 3 more than once"),
        ((3, 3, 4), "be distinct; got 3 more than once"),
        ((-1, 3), "lie in 0..9; got -1"),
        ((0, 10), "lie in 0..9; got 10"),
        ((0,), "number 2; got 1"),
        ((0, 1, 2), "number 2; got 3"),
        ((1, 0), "ascend; got (1, 0)"),
        ((0, 1.0), "be plain integers; got 1.0"),
        ((0, True), "be plain integers; got True"),
        ("01", "be plain integers; got '0'"),
    ],
)
def test_validate_refuses_what_is_not_a_choice(filters, message):
    with pytest.raises(ValueError) as refusal:
        LayerChoice("conv1", 10, 2).validate(filters)
    assert str(refusal.value) == f"removed filters of conv1 must {message}"


@given(st.lists(st.integers(-1, 5), max_size=4))
@settings(max_examples=300, deadline=None)
def test_validate_accepts_exactly_the_combinations(filters):
    layer = LayerChoice("conv1", 5, 2)
    if tuple(filters) in set(itertools.combinations(range(5), 2)):
        layer.validate(filters)
    else:
        with pytest.raises(ValueError, match="removed filters of conv1 must"):
            layer.validate(filters)


REMOVED = {"conv1": (0, 3), "conv2": (1, 5, 7), "conv3": (2,)}


@pytest.mark.parametrize(
    ("most", "text"),
    [
        (None, "conv1 0, 3; conv2 1, 5, 7; conv3 2"),
        (6, "conv1 0, 3; conv2 1, 5, 7; conv3 2"),
        (7, "conv1 0, 3; conv2 1, 5, 7; conv3 2"),
        (5, "conv1 0, 3; conv2 1, 5, 7 … (6 filters in 3 layers)"),
        (4, "conv1 0, 3; conv2 1, 5 … (6 filters in 3 layers)"),
        (2, "conv1 0, 3 … (6 filters in 3 layers)"),
        (1, "conv1 0 … (6 filters in 3 layers)"),
    ],
)
def test_spell_removed_names_the_first_filters_and_counts_all(most, text):
    assert spell_removed(REMOVED, most) == text


def test_spell_removed_counts_with_separators_and_a_single_layer():
    many = {"features.0": list(range(1536))}
    assert spell_removed(many, 2) == "features.0 0, 1 … (1,536 filters in 1 layer)"
    assert spell_removed({"conv1": np.array([4, 7])}) == "conv1 4, 7"


def test_spell_removed_leaves_out_layers_that_lose_nothing():
    assert spell_removed({}) == spell_removed({"conv1": ()}, 3) == ""
    assert spell_removed({"conv1": (), "conv2": (1, 2), "conv3": ()}, 1) == "conv2 1 … (2 filters in 1 layer)"
