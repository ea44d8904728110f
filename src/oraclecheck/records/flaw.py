"""What is wrong with a row of the table of runs, as a message says it."""

import math
import reprlib
from typing import Any, NamedTuple


class Flaw(NamedTuple):
    """What is wrong with a row.

    Attributes:
        column: Where.
        rule: What the column must do.
        got: What it has instead, short.
        mend: What to do about it, where that is known.
    """

    column: str
    rule: str
    got: str
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.column} must {self.rule}; got {self.got}{self.mend}"


def short(value: Any) -> str:
    """A value as a message quotes it."""
    if isinstance(value, int) and abs(value) >= 10**15:
        return f"about {'-' if value < 0 else ''}10^{round(math.log10(abs(value)))}"
    return reprlib.repr(value)
