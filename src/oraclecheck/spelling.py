"""How messages spell what is too long, and what they suggest for what is misspelt."""

import difflib
import math
import reprlib
from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import Any

SPELT_OUT = 10**15
"""Numbers from here on are given by their order of magnitude: a message with a thousand digits helps nobody."""

MOST_NAMES = 4  # in a sentence; a residual stream ties dozens of layers


def spell_number(number: int) -> str:
    """An integer of any size: "1000", or "about 10^300"."""
    if abs(number) < SPELT_OUT:
        return str(number)
    return f"about {'-' if number < 0 else ''}10^{round(math.log10(abs(number)))}"


def spell_value(value: Any) -> str:
    """Any value, short."""
    return spell_number(value) if isinstance(value, int) else reprlib.repr(value)


def spell_names(names: Iterable[str]) -> str:
    """The first few of some names, and how many more there are: "a, b, c, d and 2 others"."""
    listed = list(names)
    more = len(listed) - MOST_NAMES
    return ", ".join(listed[:MOST_NAMES]) + (f" and {more} others" if more > 0 else "")


def suggest(word: str, words: Collection[str]) -> str:
    """The hint "did you mean ...?" where one of the words resembles this one, else nothing."""
    close = difflib.get_close_matches(word.lower(), list(words), n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close and word[:1].isalpha() else ""


def spell_rate(rate: float) -> str:
    """Runs an hour."""
    return f"{rate:,.0f} an hour" if rate >= 10 else f"{rate:.1f} an hour"


def spell_seconds(seconds: float) -> str:
    """A duration: "40 s", "12 min", "3:20 h", "2 days, 3:00 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{str(timedelta(minutes=round(seconds / 60)))[:-3]} h"
