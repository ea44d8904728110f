"""Numbers as they are printed: rounded for the reader, never across the line that decided something."""

import math
from typing import Literal

import pandas as pd

from oraclecheck.analysis.statistics.correlation import VALID_AGREEMENT

UNDEFINED = "–"

_MOST_DECIMALS = 6
_TOO_SMALL = {"ascii": "<1e-300", "unicode": "< 10⁻³⁰⁰", "mathtext": "$<10^{-300}$"}
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def decimal(value: float | None, decimals: int = 2) -> str:
    """A number with a fixed count of decimals; a dash where it is not defined, and no minus before a zero."""
    if value is None or pd.isna(value):
        return UNDEFINED
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if text.strip("-0.") == "" else text


def agreement(value: float | None) -> str:
    """An agreement with two decimals, or as many as it takes to stand on its side of 0.2.

    Definition 3.1 and the verdict ask whether the unrounded value is above 0.2: 0.2004 must not be read as 0.20.
    """
    if value is None or pd.isna(value):
        return UNDEFINED
    decimals = 2
    while decimals < _MOST_DECIMALS and (float(f"{value:.{decimals}f}") > VALID_AGREEMENT) != (value > VALID_AGREEMENT):
        decimals += 1
    return decimal(value, decimals)


def agreement_interval(low: float, high: float) -> str:
    """Bounds of an agreement in brackets; a dash where there is no interval."""
    return UNDEFINED if pd.isna(low) or pd.isna(high) else f"[{agreement(low)}, {agreement(high)}]"


def p_value(p: float | None, style: Literal["ascii", "unicode", "mathtext"] = "ascii") -> str:
    """A p-value with two significant digits; one too small for a computer's numbers says so.

    Args:
        p: The p-value.
        style: "ascii", as paper 1 prints it, 4.9e-09; "unicode", 4.9 × 10⁻⁹, and "mathtext", the same for matplotlib,
            both with 0.012 as it is.
    """
    if p is None or pd.isna(p):
        return UNDEFINED
    if p == 0:
        return _TOO_SMALL[style]
    mantissa, exponent = f"{p:.1e}".split("e")
    if style == "ascii":
        return f"{mantissa}e{exponent}"
    if p >= 0.001:
        return f"{p:.2g}"
    if style == "mathtext":
        return rf"${mantissa}\times10^{{{int(exponent)}}}$"
    return f"{mantissa} × 10{str(int(exponent)).translate(_SUPERSCRIPTS)}"


def percent(share: float | None, decimals: int = 1) -> str:
    """A share in percent, without the sign."""
    return decimal(None if share is None else 100 * share, decimals)


def outcome(value: float, decimals: int) -> str:
    """A final metric; "diverged" where it is infinite, as the worst of all outcomes is stored."""
    return "diverged" if not pd.isna(value) and math.isinf(value) else decimal(value, decimals)


def magnitude(number: int) -> str:
    """A number of combinations: its digits, or a power of ten where they would fill lines."""
    return f"{number:,}" if number < 10**15 else f"about 10^{round(math.log10(number))}"
