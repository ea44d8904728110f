"""Holm's adjustment where several cells of a table are judged: with 25 of them, one p below 0.05 means little."""

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

from oraclecheck.analysis.statistics.correlation import VALID_P

FAMILY = ("final", "metric", "wiring", "pretrain_seed")
"""Rows of one table that are equal in these are judged together: its cells, each of another setting.

Networks that differ in their pre-training seed are replicates of one setting and not further questions.
"""


def holm(p: pd.Series) -> pd.Series:
    """p-values adjusted by Holm's method, all given ones being one family; NaN takes no part and stays NaN."""
    adjusted = pd.Series(np.nan, index=p.index)
    if len(known := p.dropna()):
        adjusted[known.index] = multipletests(known.to_numpy(float), method="holm")[1]
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
    reasons = [_reason(count) for count in table.loc[chance, "p_family"]]
    table.loc[chance, "verdict"], table.loc[chance, "reason"] = "undecided", reasons
    return table


def _reason(family: int) -> str:
    return f"sample: p < {VALID_P} by itself, but not when adjusted (Holm) for the {family} cells judged together"
