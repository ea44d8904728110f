"""Verdicts from evidence, one sentence each; Holm by hand; what is left where several cells are judged together."""

import math

import numpy as np
import pandas as pd
import pytest
from hand_made import correlated
from statsmodels.stats.multitest import multipletests

from oraclecheck.analysis.verdict import holm, verdict, with_holm
from oraclecheck.report.grids import honest_grids, paper_grids
from oraclecheck.report.typesetting import Layout

SAMPLE = {"s": 0.3, "s_low": 0.25, "s_high": 0.35, "p": 0.01}
SAMPLE |= {"rho_k_low": 0.5, "noise_free_high": 0.4, "k": 3, "census": False}
LOW = {**SAMPLE, "s": 0.05, "s_low": 0.0, "s_high": 0.1, "noise_free_high": 0.15, "p": 0.5}


@pytest.mark.parametrize(
    ("evidence", "found", "reason"),
    [
        (SAMPLE, "valid", "all of the interval of s lies above 0.2 and p < 0.05"),
        ({**SAMPLE, "k": 1, "rho_k_low": math.nan, "noise_free_high": math.nan}, "valid", "all of the interval"),
        ({**SAMPLE, "p": 0.05}, "undecided", "sample: s lies above 0.2, but p >= 0.05"),
        ({**SAMPLE, "s_low": 0.2}, "undecided", "sample: the interval of s holds 0.2"),
        ({**SAMPLE, "s_low": 0.2, "census": True}, "undecided", "noise: retraining noise leaves both sides"),
        (LOW, "invalid", "even freed of retraining noise"),
        ({**LOW, "noise_free_high": 0.2}, "invalid", "even freed of retraining noise"),
        ({**LOW, "noise_free_high": 0.21}, "undecided", "noise: retraining noise leaves both sides of 0.2 open"),
        ({**LOW, "rho_k_low": 0.0}, "undecided", "noise: the repeats do not agree with each other"),
        ({**LOW, "rho_k_low": math.nan}, "undecided", "noise: how well the repeats agree is not defined"),
        ({**LOW, "k": 1}, "undecided", "no repeats: "),
        ({**LOW, "k": 1, "s_high": 0.3}, "undecided", "sample: the interval of s holds 0.2"),
        ({**SAMPLE, "k": 1, "census": True, "s_low": math.nan, "s_high": math.nan}, "undecided", "no repeats: "),
        ({**SAMPLE, "s": math.nan}, "undecided", "sample: tau is not defined"),
    ],
)
def test_verdict_says_what_it_rests_on_or_what_is_lacking(evidence, found, reason):
    word, sentence = verdict(**evidence)
    assert word == found
    assert sentence.startswith(reason)


def test_holm_multiplies_the_smallest_p_by_all_and_the_next_by_one_less():
    p = pd.Series([0.04, 0.01, math.nan, 0.03], index=list("abcd"))
    adjusted = holm(p)
    # 0.01 * 3, 0.03 * 2, then 0.04 * 1 is not below the one before.
    assert adjusted.drop("c").to_dict() == pytest.approx({"b": 0.03, "d": 0.06, "a": 0.06})
    assert math.isnan(adjusted["c"])
    assert holm(pd.Series([math.nan])).isna().all()


def cells(**differing: list) -> pd.DataFrame:
    """Rows of the studies table: 3 cells for each metric and wiring."""
    rows = [
        {"metric": metric, "wiring": wiring, "layers": f"conv{i + 1}", "study": f"{wiring}{i}"}
        for metric in ("accuracy", "loss")
        for wiring in ("correct", "released_code")
        for i in range(3)
    ]
    return correlated(*rows).assign(**differing)


def test_family_is_the_cells_of_one_metric_and_wiring():
    p = [0.01, 0.02, 0.04, 0.03, 0.5, 0.001, 0.011, 0.012, 0.013, 0.2, math.nan, 0.04]
    table = with_holm(cells(p_permutation=p, p=math.nan))
    expected = [multipletests(p[start : start + 3], method="holm")[1] for start in (0, 3, 6)]
    assert table["p_holm"][:9].tolist() == pytest.approx(np.concatenate(expected).tolist())
    assert table["p_holm"][9:].tolist() == pytest.approx([0.2, math.nan, 0.08], nan_ok=True)
    assert table["p_family"].tolist() == [3] * 9 + [2] * 3


def test_dense_networks_are_replicates_and_no_further_cells():
    once = cells(p_permutation=[0.01, 0.02, 0.04] * 4)
    table = with_holm(pd.concat([once.assign(pretrain_seed=seed) for seed in (0, 1, 2)], ignore_index=True))
    assert table["p_holm"].tolist() == pytest.approx([0.03, 0.04, 0.04] * 12)


def test_adjusted_is_the_permuted_p_where_there_is_one():
    table = with_holm(cells(p_permutation=[0.02, math.nan, 0.03] * 4, p=1e-9))
    assert table["p_holm"][:3].tolist() == pytest.approx([0.04, 3e-9, 0.04])
    assert table["p_used"][:3].tolist() == ["permutation", "scipy", "permutation"]


def test_verdict_of_validity_needs_the_adjusted_p():
    table = with_holm(cells(p_permutation=[0.001, 0.03, 0.04] * 4, verdict="valid"))
    assert table["verdict"][:3].tolist() == ["valid", "undecided", "undecided"]
    assert table["reason"][1].endswith("but not when adjusted (Holm) for the 3 cells judged together")
    alone = with_holm(cells(p_permutation=0.03, verdict="valid")[:1])
    assert (alone["verdict"][0], alone["p_holm"][0]) == ("valid", 0.03)
    invalid = with_holm(cells(p_permutation=0.9, verdict="invalid"))
    assert set(invalid["verdict"]) == {"invalid"}


def line(layout: Layout, name: str) -> list[str]:
    return next(list(row[2:]) for row in layout.rows if row and row[1] == name)


def test_grids_adjust_for_their_own_cells():
    table = cells(p=[0.01, 0.03, 0.04] * 4, p_permutation=[0.02, 0.02, math.nan] * 4)
    for grid in honest_grids(table):
        # Judged by 0.02, 0.02 and scipy's 0.04: 0.02 * 3, then no less.
        assert line(grid, "Holm p") == ["6.0e-02"] * 3
        assert "adjusted for the 3 cells of this table" in grid.notes[0]
    for grid in paper_grids(table):
        # Printed are scipy's: 0.01 * 3 < 0.05, 0.03 * 2 > 0.05, and 0.04 no less.
        assert [cell.endswith("‡") for cell in grid.rows[0][1:]] == [False, True, True]
        assert "adjusted (Holm) for the 3 cells of this table" in grid.notes[0]
