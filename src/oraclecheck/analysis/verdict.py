"""A three-valued verdict beside Definition 3.1: valid, invalid, or undecided and why."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

from oraclecheck.analysis.rounding import magnitude
from oraclecheck.analysis.space import Space
from oraclecheck.analysis.statistics.correlation import VALID_AGREEMENT, VALID_P

FAMILY = ("final", "metric", "wiring", "pretrain_seed")
"""Rows of one table that are equal in these are judged together: its cells, each of another setting.

Networks that differ in their pre-training seed are replicates of one setting and not further questions.
"""


def verdict(
    *, s: float, s_low: float, s_high: float, p: float, rho_k_low: float, noise_free_high: float, k: int, census: bool
) -> tuple[str, str]:
    """The verdict and the reason for it.

    *valid* if the whole interval of s lies above 0.2 and p < 0.05; *invalid* if there are repeats that agree with each
    other and the whole interval of the noise-free agreement lies at or below 0.2; otherwise *undecided*, with what is
    lacking: a larger sample, less noise, or repeats.

    Args:
        s: Agreement; it and all that follows is NaN where it is not defined.
        s_low: Lower end of its 95 % interval.
        s_high: Upper end.
        p: p-value, the filter-permutation one where that is defined.
        rho_k_low: Lower end of the interval of the reliability of the mean.
        noise_free_high: Upper end of the interval of the noise-free agreement.
        k: Repeats.
        census: Whether the combinations are all there are.
    """
    if np.isnan(s):
        return "undecided", "sample: tau is not defined"
    if s_low > VALID_AGREEMENT and p < VALID_P:
        return "valid", f"all of the interval of s lies above {VALID_AGREEMENT} and p < {VALID_P}"
    if k >= 2 and rho_k_low > 0 and noise_free_high <= VALID_AGREEMENT:
        return "invalid", f"even freed of retraining noise, all of the interval lies at or below {VALID_AGREEMENT}"
    if s_low > VALID_AGREEMENT:
        lacking = f"sample: s lies above {VALID_AGREEMENT}, but p >= {VALID_P}: unrelated filter effects could show it"
    elif k < 2 and (census or s_high <= VALID_AGREEMENT):
        lacking = "no repeats: how much of s retraining noise hides or makes is not known"
    elif k < 2 and np.isnan(s_low):
        lacking = "sample: there are too few combinations for an interval"
    elif k >= 2 and np.isnan(rho_k_low):
        lacking = "noise: how well the repeats agree is not defined"
    elif k >= 2 and rho_k_low <= 0:
        lacking = "noise: the repeats do not agree with each other"
    elif k >= 2 and (census or s_high <= VALID_AGREEMENT):
        lacking = f"noise: retraining noise leaves both sides of {VALID_AGREEMENT} open"
    else:
        lacking = f"sample: the interval of s holds {VALID_AGREEMENT}"
    return "undecided", lacking


def judge(row: Mapping[str, Any], space: Space) -> tuple[str, str]:
    """The verdict on one metric of a study and the reason for it.

    A part of an enumerated space decides nothing, unless s would lie on the same side of 0.2 whatever the missing
    combinations show. A verdict of validity comes with what it takes for granted.

    Args:
        row: Its statistics.
        space: How its combinations were chosen, with those that do not count as missing.
    """
    by_scipy = np.isnan(row["p_permutation"])
    word, reason = verdict(
        s=row["agreement"],
        s_low=row["agreement_low"],
        s_high=row["agreement_high"],
        p=row["p"] if by_scipy else row["p_permutation"],
        rho_k_low=row["rho_k_low"],
        noise_free_high=row["noise_free_high"],
        k=row["k"] if row["ceiling_n"] > 1 else 1,
        census=space.is_enumerated,
    )
    sides = {row[f"agreement_missing_{end}"] > VALID_AGREEMENT for end in ("low", "high")}
    if space.is_enumerated and (space.size is None or (space.missing > 0 and len(sides) > 1)):
        of = "an unknown number" if space.size is None else magnitude(space.size)
        part = f"{row['n']:,} of {of} combinations in lexicographic order"
        return "undecided", f"sample: {part} are no random sample of them"
    if word == "valid":
        taken = ["that these combinations are a random sample"] if space.kind == "unknown" else []
        taken += ["with scipy's p, that they are independent, though they share filters"] if by_scipy else []
        reason += f"; it takes for granted {' and, '.join(taken)}" if taken else ""
    return word, reason


def holm(p: pd.Series) -> pd.Series:
    """p-values adjusted by Holm's method, all given ones being one family; NaN takes no part and stays NaN.

    With the 25 cells of paper 1's Table 2, one p below 0.05 means little.
    """
    adjusted, known = p.astype(float), p.notna()
    if known.any():
        adjusted[known] = multipletests(adjusted[known], method="holm")[1]
    return adjusted


def used_p(table: pd.DataFrame) -> pd.Series:
    """The p that a row is judged by: the filter-permutation p where there is one, else scipy's."""
    return table["p_permutation"].fillna(table["p"])


def with_holm(table: pd.DataFrame) -> pd.DataFrame:
    """Add `p_used`, `p_holm` and `p_family`, and take back verdicts of validity that rested on an unadjusted p.

    The family of a row is all rows of this table that are equal in `FAMILY`; `p_family` says how many of them have a p.
    What is adjusted is `used_p`.

    Args:
        table: Rows with the columns of `FAMILY`, `p`, `p_permutation`, `verdict` and `reason`.
    """
    table = table.copy()
    p = used_p(table)
    table["p_used"] = np.where(table["p_permutation"].notna(), "permutation", "scipy")
    families = p.groupby([table[name].map(str) for name in FAMILY], sort=False)
    table["p_holm"] = families.transform(holm)
    table["p_family"] = families.transform("count")
    chance = (table["verdict"] == "valid") & (table["p_holm"] >= VALID_P)
    adjusted = f"sample: p < {VALID_P} by itself, but not when adjusted (Holm) for the {{}} cells judged together"
    table.loc[chance, "reason"] = table.loc[chance, "p_family"].map(adjusted.format)
    table.loc[chance, "verdict"] = "undecided"
    return table
