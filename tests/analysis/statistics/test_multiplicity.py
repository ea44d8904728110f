"""Holm's adjustment against its definition, worked out by hand."""

import math

import pandas as pd
import pytest

from oraclecheck.analysis.statistics.multiplicity import holm


def test_adjustment_is_hand_arithmetic():
    # Sorted 0.01, 0.02, 0.02, 0.04 times 4, 3, 2, 1 is 0.04, 0.06, 0.04, 0.04, and none may be below one before it.
    p = pd.Series([0.04, 0.01, math.nan, 0.02, 0.02])
    assert holm(p).tolist() == pytest.approx([0.06, 0.04, math.nan, 0.06, 0.06], nan_ok=True)


def test_equal_labels_of_rows_are_rows_of_their_own():
    p = [0.01, 0.03, 0.02]
    assert holm(pd.Series(p, index=[0, 0, 1])).tolist() == holm(pd.Series(p)).tolist() == [0.03, 0.04, 0.04]
