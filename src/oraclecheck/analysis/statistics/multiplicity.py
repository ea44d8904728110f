"""Holm's adjustment where several cells of a table are judged: with 25 of them, one p below 0.05 means little."""

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests


def holm(p: pd.Series) -> pd.Series:
    """p-values adjusted by Holm's method, all given ones being one family; NaN takes no part and stays NaN."""
    adjusted = pd.Series(np.nan, index=p.index)
    if len(known := p.dropna()):
        adjusted[known.index] = multipletests(known.to_numpy(float), method="holm")[1]
    return adjusted
