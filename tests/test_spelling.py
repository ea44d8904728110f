"""How messages spell numbers and names."""

import reprlib

import pytest

from oraclecheck.spelling import spell_names, spell_number, spell_value, suggest


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (-7, "-7"),
        (10**15 - 1, "999999999999999"),
        (10**15, "about 10^15"),
        (7 * 10**20, "about 10^21"),
        (-(10**2000), "about -10^2000"),
    ],
    ids=reprlib.repr,
)
def test_numbers_too_long_to_read_are_given_by_their_magnitude(number, text):
    assert spell_number(number) == text


def test_values_are_spelt_short():
    assert spell_value(-(10**400)) == "about -10^400" and spell_value([1, True, "x"]) == "[1, True, 'x']"
    assert len(spell_value("x" * 1000)) < 50 and len(spell_value([*range(1000)])) < 50


def test_names_beyond_the_fourth_are_counted():
    assert spell_names([]) == ""
    assert spell_names({"a": 1, "b": 2}) == "a, b"
    assert spell_names("abcd") == "a, b, c, d"
    assert spell_names(iter("abcdef")) == "a, b, c, d and 2 others"


@pytest.mark.parametrize(
    ("word", "hint"), [("conv22", "did you mean conv2?"), ("CONV1", "did you mean conv1?"), ("fc", ""), ("1", "")]
)
def test_a_word_that_resembles_a_known_one_is_told_it(word, hint):
    assert suggest(word, ("conv1", "conv2")) == hint
