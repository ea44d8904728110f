"""As many repeats of every combination: by hand, and against what scipy says of the repeats that all have."""

import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from interval_coverage import estimands
from scipy.stats import kendalltau
from simulation import WORLDS, removed_filters

from oraclecheck.analysis.comparison import compare
from oraclecheck.analysis.statistics.balance import balanced
from oraclecheck.analysis.tables import combinations_table, correlate
from oraclecheck.report.cells import lacks


def there(*rows: str) -> np.ndarray:
    """A mask from rows such as "x-x": an outcome, none, an outcome."""
    return np.array([[cell == "x" for cell in row] for row in rows])


@pytest.mark.parametrize(
    ("mask", "census", "rows", "columns"),
    [
        (there("xx", "xx"), True, [0, 1], [[0, 1], [0, 1]]),
        # Repeat 0 has begun last: the others count.
        (there("xxx", "-xx", "-xx"), True, [0, 1, 2], [[1, 2], [1, 2], [1, 2]]),
        # Every combination lacks one of three: any two will do.
        (there("xx-", "x-x", "-xx"), True, [0, 1, 2], [[0, 1], [0, 2], [1, 2]]),
        # Nobody has two but one in three: single repeats.
        (there("xx", "x-", "-x"), True, [0, 1, 2], [[0], [0], [1]]),
        # A combination without an outcome takes no part.
        (there("xx", "--", "xx"), False, [0, 2], [[0, 1], [0, 1]]),
        # One of ten lacks a repeat: left out of a sample, and of a census too where single repeats would be left.
        (there(*["xx"] * 9, "x-"), False, range(9), [[0, 1]] * 9),
        (there(*["xx"] * 9, "x-"), True, range(9), [[0, 1]] * 9),
        # A census keeps all its combinations and forgoes the third repeat.
        (there(*["xxx"] * 9, "xx-"), True, range(10), [[0, 1]] * 10),
        (there(*["xxx"] * 9, "xx-"), False, range(9), [[0, 1, 2]] * 9),
    ],
)
def test_block_has_as_many_repeats_of_every_combination(mask, census, rows, columns):
    counts, places = balanced(mask, census=census)
    assert np.flatnonzero(counts).tolist() == list(rows)
    assert places[counts].tolist() == columns


def study(share: float, seed: int = 4, order: str = "lexicographic") -> pd.DataFrame:
    """A census (or sample) of 45 combinations with two repeats, and a share of a third."""
    rng = np.random.default_rng(seed)
    world = WORLDS["additive"](45, 0.8, 0.5, rng)
    finals = world.retrain(rng, 3)
    begun = rng.permutation(45) < round(share * 45)
    rows = []
    for combo, removed in enumerate(removed_filters(45)):
        for repeat in range(3 if begun[combo] else 2):
            row = {"study": "s", "study_hash": "s", "order": order, "space_size": 45 if order[0] == "l" else 10**9}
            row |= {"combo": combo, "removed": removed, "picked_by": None, "repeat": repeat, "status": "ok"}
            rows.append(row | {"pruned_train_loss": world.score[combo], "final_test_loss": finals[combo, repeat]})
    return pd.DataFrame(rows)


NUMBERS = ("agreement", "rho_k", "noise_free")


@pytest.mark.parametrize("order", ["lexicographic", "sampled"])
@pytest.mark.parametrize("share", [0.1, 0.4, 0.8])
def test_a_third_repeat_that_has_begun_changes_no_number(share, order):
    begun = study(share, order=order)
    without = begun[begun["repeat"] < 2]
    found, expected = (correlate(runs, metric="loss", draws=200).iloc[0] for runs in (begun, without))
    counts = ["runs", "missing", "incomplete", "left_out"]
    pd.testing.assert_series_equal(found.drop(counts), expected.drop(counts))
    # The same by scipy and the formulas, written out again.
    table = without.pivot(index="combo", columns="repeat", values="final_test_loss").to_numpy()
    score = without.groupby("combo")["pruned_train_loss"].first().to_numpy()
    s, t = kendalltau(score, table.mean(axis=1)).statistic, kendalltau(table[:, 0], table[:, 1]).statistic
    assert tuple(found[list(NUMBERS)]) == pytest.approx(estimands(s, t, 2))
    begun_runs = round(share * 45)
    assert (found["k"], found["left_out"], found["missing"]) == (2, begun_runs, 45 - begun_runs)


def test_a_third_repeat_that_is_done_counts():
    found = correlate(study(1.0), metric="loss", draws=50).iloc[0]
    table = study(1.0).pivot(index="combo", columns="repeat", values="final_test_loss").to_numpy()
    score = study(1.0).groupby("combo")["pruned_train_loss"].first().to_numpy()
    t = np.mean([kendalltau(table[:, r], table[:, q]).statistic for r, q in combinations(range(3), 2)])
    s = kendalltau(score, table.mean(axis=1)).statistic
    assert tuple(found[list(NUMBERS)]) == pytest.approx(estimands(s, t, 3))
    assert (found["k"], found["left_out"]) == (3, 0)


def test_report_says_how_much_is_left_out():
    row = correlate(study(0.4), metric="loss", draws=50).iloc[0]
    assert lacks(row) == (
        "of 135 runs 27 missing: the numbers do not include them, nor 18 runs left out so that all 45 combinations "
        "count with 2 repeats"
    )
    runs = study(1.0, order="sampled")
    runs = runs[(runs["combo"] > 0) | (runs["repeat"] == 0)]
    row = correlate(runs, metric="loss", draws=50).iloc[0]
    assert lacks(row).endswith(
        "nor 1 run (all of 1 combination) left out so that all 44 combinations count with 3 repeats"
    )


def test_figures_and_comparisons_rest_on_the_same_repeats_as_the_table():
    begun = study(0.4)
    row, combos = correlate(begun, metric="loss", draws=50).iloc[0], combinations_table(begun)
    assert set(combos["k"]) == {2}
    assert kendalltau(combos["score"], combos["final_test_loss"]).statistic == pytest.approx(row["agreement"])
    compared = compare(begun, study(1.0).assign(study="t"), metric="loss", draws=50).iloc[0]
    assert compared["agreement_a"] == row["agreement"] and not math.isnan(compared["difference_low"])
