"""How many weights layers lose: totals are exact, and shares are those of the formula."""

from decimal import ROUND_CEILING, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oraclecheck.pruning.masks.allotment import by_difference, evenly, total_removed

sizes = st.lists(st.integers(1, 5000), min_size=1, max_size=8).map(lambda n: {f"l{i}": s for i, s in enumerate(n)})
ratios = st.integers(1, 998).map(lambda thousandths: thousandths / 1000)


def exact_total(sizes, ratio):
    return int((Decimal(str(ratio)) * sum(sizes.values())).to_integral_value(ROUND_CEILING))


def test_total_takes_the_ratio_as_it_is_written():
    assert total_removed(100, 0.07) == 7  # 100 * 0.07 is 7.000000000000001
    assert total_removed(5450, 0.9) == 4905
    assert total_removed(2_516_582_400, 0.4375) == 1_101_004_800  # the Linears of Phi-2
    assert total_removed(3, 0.5) == 2


@given(sizes, ratios)
@settings(max_examples=200, deadline=None)
def test_even_shares_are_within_one_weight_of_the_ratio_and_add_up(sizes, ratio):
    counts = evenly(sizes, ratio)
    assert sum(counts.values()) == exact_total(sizes, ratio)
    assert all(
        abs(counts[name] - ratio * size) < 1 + 1e-6 and 0 <= counts[name] <= size for name, size in sizes.items()
    )


@given(sizes, ratios, st.data())
@settings(max_examples=200, deadline=None)
def test_unequal_shares_add_up_and_fall_with_the_difference(sizes, ratio, data):
    blocks = {name: f"b{data.draw(st.integers(0, 3))}" for name in sizes}
    difference = {block: data.draw(st.floats(0, 1, width=32)) for block in dict.fromkeys(blocks.values())}
    counts = by_difference(sizes, blocks, difference, ratio, 0.08)
    assert sum(counts.values()) == exact_total(sizes, ratio)
    assert all(0 <= counts[name] <= size for name, size in sizes.items())
    for one in sizes:
        for other in sizes:
            if difference[blocks[one]] < difference[blocks[other]]:
                assert counts[one] / sizes[one] >= counts[other] / sizes[other] - 1 / sizes[one] - 1 / sizes[other]


def test_unequal_shares_are_the_formula_s_where_nothing_is_clipped():
    # z = 2 * 0.08 * (D - min) / (max - min) = 0, 0.08, 0.16; weighted mean (0 + 0.08 + 0.32) / 4 = 0.1
    counts = by_difference(
        {"a": 1000, "b": 1000, "c": 2000}, {"a": "A", "b": "B", "c": "C"}, {"A": 0.0, "B": 1.0, "C": 2.0}, 0.5, 0.08
    )
    assert counts == {"a": 600, "b": 520, "c": 880}


def test_what_is_clipped_is_taken_from_the_others():
    # z = 0 and 0.32, mean 0.16: the shares would be 1.06 and 0.74, the first is clipped to 0.999
    sizes, blocks = {"a": 1000, "b": 1000}, {"a": "A", "b": "B"}
    assert by_difference(sizes, blocks, {"A": 0.0, "B": 1.0}, 0.9, 0.16) == {"a": 999, "b": 801}


def test_a_share_that_blocks_cannot_reach_is_refused():
    with pytest.raises(ValueError, match=r"pruning.ratio must be at most 0.999.*got 0.9995"):
        by_difference({"a": 10}, {"a": "A"}, {"A": 0.0}, 0.9995, 0.08)
