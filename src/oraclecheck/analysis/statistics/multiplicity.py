"""Holm's adjustment where several cells of a table are judged: with 25 of them, one p below 0.05 means little."""

from collections.abc import Iterable

import numpy as np
import pandas as pd


def holm_of_one(p: float, others: Iterable[float]) -> float:
    """A p-value adjusted by Holm's method for the other hypotheses of its family; NaN stays NaN.

    Args:
        p: The p-value.
        others: Those of the other hypotheses, without NaN.
    """
    if np.isnan(p):
        return np.nan
    family = np.sort([p, *others])
    steps = np.maximum.accumulate(family * np.arange(len(family), 0, -1))
    return float(min(1.0, steps[np.searchsorted(family, p)]))


def holm(p: pd.Series) -> pd.Series:
    """p-values adjusted by Holm's method, all given ones being one family; NaN takes no part and stays NaN."""
    values = p.to_numpy(float)
    known = ~np.isnan(values)
    others = (values[known & (np.arange(len(values)) != at)] for at in range(len(values)))
    return pd.Series(list(map(holm_of_one, values, others)), index=p.index, dtype=float)
