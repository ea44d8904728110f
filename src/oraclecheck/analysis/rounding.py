"""Numbers as they are printed: rounded for the reader, never across the line that decided something."""

import math

import pandas as pd

from oraclecheck.analysis.statistics.correlation import VALID_AGREEMENT

UNDEFINED = "–"
MOST_DECIMALS = 6


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
    while decimals < MOST_DECIMALS and (float(f"{value:.{decimals}f}") > VALID_AGREEMENT) != (value > VALID_AGREEMENT):
        decimals += 1
    return decimal(value, decimals)


def agreement_interval(low: float, high: float) -> str:
    """Bounds of an agreement in brackets; a dash where there is no interval."""
    return UNDEFINED if pd.isna(low) or pd.isna(high) else f"[{agreement(low)}, {agreement(high)}]"


def p_value(p: float | None) -> str:
    """A p-value as paper 1 prints it, 4.9e-09."""
    if p is None or pd.isna(p):
        return UNDEFINED
    return "<1e-300" if p == 0 else f"{p:.1e}"


def percent(share: float | None, decimals: int = 1) -> str:
    """A share in percent, without the sign."""
    return UNDEFINED if share is None or pd.isna(share) else decimal(100 * share, decimals)


def percent_interval(low: float, high: float, decimals: int = 1) -> str:
    """Bounds of a share in percent, in brackets; a dash where there is no interval."""
    undefined = pd.isna(low) or pd.isna(high)
    return UNDEFINED if undefined else f"[{percent(low, decimals)}, {percent(high, decimals)}]"


def outcome(value: float, decimals: int) -> str:
    """A final metric; "diverged" where it is infinite, as the worst of all outcomes is stored."""
    return "diverged" if not pd.isna(value) and math.isinf(value) else decimal(value, decimals)


def magnitude(number: int) -> str:
    """A number of combinations: its digits, or a power of ten where they would fill lines."""
    return f"{number:,}" if number < 10**15 else f"about 10^{round(math.log10(number))}"
