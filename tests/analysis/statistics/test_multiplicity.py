"""Holm's adjustment by hand."""

import math

import pandas as pd
import pytest

from oraclecheck.analysis.statistics.multiplicity import holm


def test_holm_multiplies_the_smallest_p_by_all_and_the_next_by_one_less():
    p = pd.Series([0.04, 0.01, math.nan, 0.03], index=list("abcd"))
    adjusted = holm(p)
    # 0.01 * 3, 0.03 * 2, then 0.04 * 1 is not below the one before.
    assert adjusted.drop("c").to_dict() == pytest.approx({"b": 0.03, "d": 0.06, "a": 0.06})
    assert math.isnan(adjusted["c"])
    assert holm(pd.Series([math.nan])).isna().all()
