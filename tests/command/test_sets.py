"""The grammar of sets."""

import reprlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oraclecheck.command.sets import SET_LIMIT, parse_set, spell_set

BEYOND_64_BITS = 10**1500 + 7  # VGG19's space has about 10^1600 combinations


@pytest.mark.parametrize(
    ("text", "members"),
    [
        (17, [17]),
        (0, [0]),
        ("17", [17]),
        ("007", [7]),
        ("0-9,17", [*range(10), 17]),
        ("3,7,9", [3, 7, 9]),
        ("9,3,7,3", [9, 3, 7]),
        ("5,3-6", [5, 3, 4, 6]),
        ("4-4", [4]),
        (" 0 - 2 , 5 ", [0, 1, 2, 5]),
        ("l1", ["l1"]),
        ("l1,0-3", ["l1", 0, 1, 2, 3]),
        ("2,fpgm-2,l1,fpgm-2", [2, "fpgm-2", "l1"]),
        (str(BEYOND_64_BITS - 1), [BEYOND_64_BITS - 1]),
        (f"{BEYOND_64_BITS}-{BEYOND_64_BITS + 2}", [BEYOND_64_BITS, BEYOND_64_BITS + 1, BEYOND_64_BITS + 2]),
    ],
    ids=reprlib.repr,
)
def test_parse_set_reads_indices_ranges_and_names_in_order(text, members):
    parsed = parse_set(text, "combo", names=("l1", "fpgm-2"))
    assert parsed == members
    assert [type(member) for member in parsed] == [type(member) for member in members]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**30), st.integers(0, 50)), min_size=1, max_size=6))
def test_parse_set_inverts_writing_ranges(ranges):
    text = ",".join(f"{start}-{start + length}" if length else str(start) for start, length in ranges)
    written = [start + i for start, length in ranges for i in range(length + 1)]
    assert parse_set(text, "combo") == sorted(set(written), key=written.index)


COMBO_RULE = 'combo must be an index, a set such as "0-9,17", or one of l1; got '
REPEAT_RULE = 'repeat must be an index or a set such as "0-9,17"; got '


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("9-3", "'9-3': the range runs backwards"),
        ("0-2,9-3", "'9-3': the range runs backwards"),
        (-1, "-1: an index cannot be negative"),
        (-(10**100), "about -10^100: an index cannot be negative"),
        ("-1", "'-1': an index cannot be negative"),
        ("2,-3-5", "'-3-5': an index cannot be negative"),
        ("3--1", "'3--1': an index cannot be negative"),
        ("", "'': it is empty"),
        (" ", "' ': it is empty"),
        ("3,,4", "'3,,4': a part is empty"),
        ("3,", "'3,': a part is empty"),
        ("3-", "'3-'"),
        ("-", "'-'"),
        ("1-2-3", "'1-2-3'"),
        ("1.5", "'1.5'"),
        ("+3", "'+3'"),
        ("1_000", "'1_000'"),
        ("1e3", "'1e3'"),
        ("٣", "'٣'"),
        ("range(9)", "'range(9)'"),
        (1.0, "1.0"),
        (True, "True"),
        (None, "None"),
        ([1, 2], "[1, 2]"),
        ("x" * 500, f"'{'x' * 12}...{'x' * 13}'"),
        ("9" * 4301, f"'{'9' * 12}...{'9' * 13}': an index may have at most 4300 digits"),
    ],
    ids=reprlib.repr,
)
@pytest.mark.parametrize(("key", "names", "rule"), [("combo", ("l1",), COMBO_RULE), ("repeat", (), REPEAT_RULE)])
def test_parse_set_refuses_a_malformed_set(text, got, key, names, rule):
    with pytest.raises(ValueError) as refusal:
        parse_set(text, key, names)
    assert str(refusal.value) == rule + got


def test_parse_set_suggests_the_nearest_name():
    rule = 'combo must be an index, a set such as "0-9,17", or one of l1, taylor; got '
    for word, hint in [("l2", ": did you mean l1?"), ("Tailor", ": did you mean taylor?"), ("random", "")]:
        with pytest.raises(ValueError) as refusal:
            parse_set(f"0-3,{word}", "combo", ("l1", "taylor"))
        assert str(refusal.value) == f"{rule}'{word}'{hint}"


@pytest.mark.parametrize("text", ["0-99999999999", f"0-{10**40}", f"0-{SET_LIMIT}", f"5-9,10-{SET_LIMIT + 5}"])
def test_parse_set_refuses_more_indices_than_a_set_may_hold(text):
    part = text.split(",")[-1]
    shown = part if len(part) <= 28 else f"{part[:12]}...{part[-13:]}"
    with pytest.raises(ValueError) as refusal:
        parse_set(text, "combo", ("l1",))
    assert str(refusal.value) == f"{COMBO_RULE}'{shown}': a set may hold at most 10000000 indices"


def test_parse_set_accepts_a_large_range():
    assert parse_set("0-999999", "combo") == list(range(1_000_000))


@given(st.lists(st.one_of(st.integers(0, 30), st.integers(0, 10**30), st.sampled_from(["l1", "all"])), unique=True))
def test_spelt_set_stands_for_its_members(members):
    if members:
        assert parse_set(spell_set(members), "combo", ["l1", "all"]) == members


def test_neighbours_are_spelt_as_a_range():
    assert spell_set([0, 1, 2, 7, "l1", 9, 8]) == "0-2,7,l1,9,8"
