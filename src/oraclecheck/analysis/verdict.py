"""A three-valued verdict beside Definition 3.1: valid, invalid, or undecided and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from oraclecheck.analysis.rounding import magnitude
from oraclecheck.analysis.space import Space
from oraclecheck.analysis.statistics.correlation import VALID_AGREEMENT, VALID_P
from oraclecheck.analysis.statistics.multiplicity import holm

FAMILY = ("final", "metric", "wiring", "pretrain_seed")
"""Rows of one table that are equal in these are judged together: its cells, each of another setting.

Networks that differ in their pre-training seed are replicates of one setting and not further questions.
"""


@dataclass(frozen=True)
class Evidence:
    """What a verdict rests on; NaN where it is not defined.

    Attributes:
        s: Agreement.
        s_low: Lower end of its 95 % interval.
        s_high: Upper end.
        p: p-value, the filter-permutation one where that is defined.
        rho_k_low: Lower end of the interval of the reliability of the mean.
        noise_free_high: Upper end of the interval of the noise-free agreement.
        k: Repeats.
        census: Whether the combinations are all there are.
    """

    s: float
    s_low: float
    s_high: float
    p: float
    rho_k_low: float
    noise_free_high: float
    k: int
    census: bool


def verdict(evidence: Evidence) -> tuple[str, str]:
    """The verdict and the reason for it.

    *valid* if the whole interval of s lies above 0.2 and p < 0.05; *invalid* if there are repeats that agree with each
    other and the whole interval of the noise-free agreement lies at or below 0.2; otherwise *undecided*, with what is
    lacking: a larger sample, less noise, or repeats.
    """
    e = evidence
    if np.isnan(e.s):
        return "undecided", "sample: tau is not defined"
    if e.s_low > VALID_AGREEMENT and e.p < VALID_P:
        return "valid", f"all of the interval of s lies above {VALID_AGREEMENT} and p < {VALID_P}"
    if e.k >= 2 and e.rho_k_low > 0 and e.noise_free_high <= VALID_AGREEMENT:
        return "invalid", f"even freed of retraining noise, all of the interval lies at or below {VALID_AGREEMENT}"
    return "undecided", _lacking(e)


def _lacking(e: Evidence) -> str:
    if e.s_low > VALID_AGREEMENT:
        return f"sample: s lies above {VALID_AGREEMENT}, but p >= {VALID_P}: unrelated filter effects could show it"
    if e.k < 2 and (e.census or e.s_high <= VALID_AGREEMENT):
        return "no repeats: how much of s retraining noise hides or makes is not known"
    if e.k < 2 and np.isnan(e.s_low):
        return "sample: there are too few combinations for an interval"
    if e.k < 2:
        return f"sample: the interval of s holds {VALID_AGREEMENT}"
    if np.isnan(e.rho_k_low):
        return "noise: how well the repeats agree is not defined"
    if not e.rho_k_low > 0:
        return "noise: the repeats do not agree with each other"
    if e.census or e.s_high <= VALID_AGREEMENT:
        return f"noise: retraining noise leaves both sides of {VALID_AGREEMENT} open"
    return f"sample: the interval of s holds {VALID_AGREEMENT}"


def judge(row: Mapping[str, Any], space: Space) -> tuple[str, str]:
    """The verdict on one metric of a study and the reason for it.

    A part of an enumerated space decides nothing, unless s would lie on the same side of 0.2 whatever the missing
    combinations show. A verdict of validity comes with what it takes for granted.

    Args:
        row: Its statistics.
        space: How its combinations were chosen, with those that do not count as missing.
    """
    by_scipy = np.isnan(row["p_permutation"])
    evidence = Evidence(
        s=row["agreement"],
        s_low=row["agreement_low"],
        s_high=row["agreement_high"],
        p=row["p"] if by_scipy else row["p_permutation"],
        rho_k_low=row["rho_k_low"],
        noise_free_high=row["noise_free_high"],
        k=row["k"] if row["ceiling_n"] > 1 else 1,
        census=space.is_enumerated,
    )
    word, reason = verdict(evidence)
    sides = {row[f"agreement_missing_{end}"] > VALID_AGREEMENT for end in ("low", "high")}
    if space.is_part and (space.size is None or len(sides) > 1):
        of = "an unknown number" if space.size is None else magnitude(space.size)
        part = f"{row['n']:,} of {of} combinations in lexicographic order"
        return "undecided", f"sample: {part} are no random sample of them"
    if word == "valid":
        taken = ["that these combinations are a random sample"] if space.kind == "unknown" else []
        taken += ["with scipy's p, that they are independent, though they share filters"] if by_scipy else []
        reason += f"; it takes for granted {' and, '.join(taken)}" if taken else ""
    return word, reason


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
