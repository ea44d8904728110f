"""The scatter: which points are drawn, how they are told apart, and what the files hold."""

import math
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest
from hand_made import correlated, study_folder
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import kendalltau

import oraclecheck as oc
from oraclecheck.analysis.figures.scatter import plot_scatter, save_scatter

SCORES = [0.3, 0.1, 0.2, 0.5, 0.4]
ACCURACIES = [0.95, 0.90, 0.80, 0.92, 0.90]  # the least score ends with 0.90: two are better, one equal


def combos(scores=SCORES, accuracies=ACCURACIES, **columns: Any) -> pd.DataFrame:
    table = pd.DataFrame({"study": "demo", "score": scores, "final_test_accuracy": accuracies, "k": 3})
    table["picked_by"] = pd.Series([None] * len(table), dtype=object)
    table["final_test_loss"] = 1 - table["final_test_accuracy"]
    table["best_test_accuracy"] = table["final_test_accuracy"][::-1].to_numpy()
    return table.assign(**columns)


def drawn(given: pd.DataFrame, **options: Any) -> Axes:
    ax = Figure().subplots()
    plot_scatter(given, ax, **options)
    return ax


def legend(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def points(ax: Axes, beginning: str) -> list[tuple[float, float]]:
    """Coordinates of what the legend names so."""
    (artist,) = [a for a in (*ax.collections, *ax.lines) if str(a.get_label()).startswith(beginning)]
    offsets = artist.get_offsets() if hasattr(artist, "get_offsets") else artist.get_xydata()
    return [(round(float(x), 9), round(float(y), 9)) for x, y in offsets]


def test_points_are_told_apart_by_the_oracles_choice():
    ax = drawn(combos())
    assert points(ax, "oracle's choice") == [(0.1, 90.0)]
    assert points(ax, "better than") == [(0.3, 95.0), (0.5, 92.0)]
    assert points(ax, "not better") == [(0.2, 80.0), (0.4, 90.0)]


def test_a_lower_loss_is_better():
    ax = drawn(combos(), metric="loss")
    assert points(ax, "oracle's choice") == [(0.1, 0.1)]
    assert points(ax, "better than") == [(0.3, 0.05), (0.5, 0.08)]
    assert ax.get_ylabel() == "final test loss"


def test_the_best_epoch_has_its_own_column():
    ax = drawn(combos(), final="best")
    assert points(ax, "oracle's choice") == [(0.1, 92.0)]
    assert ax.get_ylabel() == "best-epoch test accuracy (%)"


def test_words_and_numbers_of_the_figure():
    ax = drawn(combos())
    assert legend(ax) == [
        "oracle's choice (least pruned train loss)",
        "better than the oracle's choice (2 of 5, 40.0 %)",
        "not better (2 of 5, 40.0 %)",
    ]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("pruned train loss", "final test accuracy (%)")
    expected = kendalltau(SCORES, ACCURACIES)
    counts = rf"$n$ = 5, $k$ = 3, $\tau$ = {expected.statistic:.2f}, $p$ = {expected.pvalue:.2g}"
    assert ax.get_title() == f"demo\n{counts}"
    assert drawn(combos(), label="conv1, 0.2").get_title() == f"conv1, 0.2\n{counts}"


def test_title_says_s_its_interval_its_ceiling_and_the_permuted_p():
    row = correlated({"study": "demo"})
    written = drawn(combos(), table=row).get_title().split("\n")
    assert written[0] == "demo"
    assert " ".join(written[1:-1]) == r"$s$ = 0.61 [0.50, 0.71], ceiling 0.92, permuted $p$ = $5.0\times10^{-4}$"
    nothing = dict.fromkeys(["agreement_low", "agreement_high", "ceiling", "p_permutation"], math.nan)
    assert drawn(combos(), table=row.assign(**nothing)).get_title().split("\n")[1] == "$s$ = 0.61"
    assert "$s$ not defined" in drawn(combos(), table=row.assign(agreement=math.nan)).get_title()


def test_title_of_runs_has_what_correlate_says_of_them(tmp_path):
    runs = oc.load_runs(study_folder(tmp_path))
    row = oc.correlate(runs, metric="loss").iloc[0]
    said = f"$s$ = {row['agreement']:.2f} [{row['agreement_low']:.2f}, {row['agreement_high']:.2f}]"
    assert said in drawn(runs, metric="loss").get_title()
    assert "$s$" not in drawn(oc.combinations_table(runs), metric="loss").get_title()


def test_title_writes_a_small_p_as_a_power_and_a_range_of_repeats():
    n = 30
    table = combos(range(n), np.linspace(0.9, 0.5, n), k=[2] + [3] * (n - 1))
    mantissa, exponent = f"{kendalltau(range(n), -np.arange(n)).pvalue:.1e}".split("e-")
    title = drawn(table).get_title()
    assert "$n$ = 30, $k$ = 2–3, $\\tau$ = \N{MINUS SIGN}1.00, " in title
    assert title.endswith(rf"$p$ = ${mantissa}\times10^{{-{int(exponent)}}}$")


def test_guides_run_through_the_star():
    ax = drawn(combos())
    vertical, horizontal = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert list(vertical.get_xdata()) == [0.1, 0.1]
    assert list(horizontal.get_ydata()) == pytest.approx([90, 90])


def test_groups_differ_in_colour_and_in_marker():
    ax = drawn(combos())
    star, better, others = ax.collections
    assert better.get_facecolor()[0][:3] == pytest.approx(matplotlib.colors.to_rgb("#D55E00"))
    assert others.get_facecolor()[0][:3] == pytest.approx(matplotlib.colors.to_rgb("#009E73"))
    shapes = [artist.get_paths()[0].vertices.shape for artist in (star, better, others)]
    assert len(set(shapes)) == 3


def test_picks_are_open_markers_and_count_nowhere():
    picks = combos([0.05, 0.6], [0.99, 0.5]).assign(picked_by=["l1", "taylor"])
    ax = drawn(pd.concat([combos(), picks], ignore_index=True))
    assert points(ax, "pick of l1") == [(0.05, 99.0)]
    assert points(ax, "pick of taylor") == [(0.6, 50.0)]
    l1, taylor = (line for line in ax.lines if str(line.get_label()).startswith("pick"))
    assert l1.get_markerfacecolor() == taylor.get_markerfacecolor() == "none"
    assert l1.get_marker() != taylor.get_marker()
    assert points(ax, "oracle's choice") == [(0.1, 90.0)]
    assert legend(ax)[1] == "better than the oracle's choice (2 of 5, 40.0 %)"
    assert ax.get_title() == drawn(combos()).get_title()


def rug(ax: Axes) -> dict[str, list[tuple[float, float]]]:
    """Marker -> where it stands at the edge."""
    marks = [line for line in ax.lines if line.get_gid() == "rug"]
    return {line.get_marker(): [tuple(map(float, place)) for place in line.get_xydata()] for line in marks}


def test_diverged_points_stand_at_the_edge_and_are_counted():
    table = combos([*SCORES, 0.6, math.inf, math.inf], [*ACCURACIES, -math.inf, 0.99, -math.inf])
    ax = drawn(table)
    assert len(points(ax, "better than")) == 2
    assert len(points(ax, "not better")) == 2
    assert legend(ax)[1:] == [
        "better than the oracle's choice (3 of 8, 37.5 %)",
        "not better (4 of 8, 50.0 %)",
        "3 diverged, at the edge",
    ]
    assert "$n$ = 8" in ax.get_title()
    marks = rug(ax)
    ((x, bottom),) = marks["|"]
    assert x == 0.6 and 0 < bottom < 0.05
    ((right, y),) = marks["_"]
    assert 0.95 < right < 1 and y == pytest.approx(99)
    assert [(round(x), round(y)) for x, y in marks["x"]] == [(1, 0)]


def test_a_diverged_loss_stands_at_the_upper_edge():
    ax = drawn(combos().assign(final_test_loss=[math.inf, 0.1, 0.2, 0.3, 0.4]), metric="loss")
    assert [(x, round(y)) for x, y in rug(ax)["|"]] == [(0.3, 1)]


def test_thin_bars_run_from_the_least_to_the_greatest_repeat():
    repeats = [[0.94, 0.96], [0.9, 0.9], [0.7, 0.9], [math.nan, 0.92], [0.9, -math.inf]]
    ax = drawn(combos().assign(repeats_final_test_accuracy=repeats))
    bars = [bar.tolist() for artist in ax.collections if artist.get_gid() == "spread" for bar in artist.get_segments()]
    assert sorted(bars) == [[[0.2, pytest.approx(70)], [0.2, pytest.approx(90)]], [[0.3, 94], [0.3, 96]]]
    assert "least to greatest of the repeats" in legend(ax)


def test_scores_that_pile_up_near_0_stand_on_a_logarithmic_axis():
    scores = [0.001, 0.002, 0.003, 0.01, 5.0]
    piled, spread = drawn(combos(scores)), drawn(combos())
    assert (piled.get_xscale(), spread.get_xscale()) == ("log", "linear")
    assert piled.get_xlabel() == "pruned train loss (log scale)"
    assert {"0.001", "0.01", "0.1", "1"} <= {text.get_text() for text in piled.get_xticklabels()}


def test_a_diverged_oracles_choice_leaves_the_others_better():
    ax = drawn(combos([0.1, 0.2, 0.3], [-math.inf, 0.5, 0.6]))
    assert points(ax, "oracle's choice") == []
    assert len(points(ax, "better than")) == 2
    assert not [line for line in ax.lines if line.get_linestyle() == "--"]


def test_combinations_without_an_outcome_are_left_out():
    table = pd.concat([combos(), combos([math.nan], [math.nan], k=0)], ignore_index=True)
    assert drawn(table).get_title() == drawn(combos()).get_title()


def test_tied_choices_are_named():
    ax = drawn(combos([0.1, 0.1, 0.2], [0.9, 0.8, 0.7]))
    assert points(ax, "oracle's choice") == [(0.1, 90.0)]
    assert legend(ax)[0] == "oracle's choice (first of 2 with the least pruned train loss)"


@pytest.mark.parametrize(
    ("scores", "accuracies", "title"),
    [
        ([], [], "$n$ = 0, $k$ = 0"),
        ([0.1], [0.9], "$n$ = 1, $k$ = 3"),
        ([0.1, 0.1], [0.9, 0.8], "$n$ = 2, $k$ = 3, $\\tau$ not defined"),
        ([math.inf, math.inf], [-math.inf, -math.inf], "$n$ = 2, $k$ = 3, $\\tau$ not defined"),
    ],
)
def test_a_study_that_has_no_tau_is_still_drawn(tmp_path, scores, accuracies, title):
    table = combos(scores, accuracies)
    assert drawn(table).get_title().removeprefix("demo").removeprefix("\n") == title
    save_scatter(table, tmp_path / "scatter")


def test_saved_files_are_the_same_every_time_and_hold_no_date(tmp_path):
    first = save_scatter(combos(), tmp_path / "conv1_0.5")
    with matplotlib.rc_context({"font.size": 20, "pdf.fonttype": 3}):
        second = save_scatter(combos(), tmp_path / "again_0.5")
    assert [path.name for path in first] == ["conv1_0.5.png", "conv1_0.5.pdf"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    pdf = first[1].read_bytes()
    assert b"CreationDate" not in pdf
    assert b"/Type3" not in pdf and b"/CIDFontType2" in pdf


def test_saved_png_is_one_column_wide_at_300_dpi(tmp_path):
    png, _ = save_scatter(combos(), tmp_path / "scatter")
    width = int.from_bytes(png.read_bytes()[16:20], "big")
    assert width == 990


def test_unknown_words_are_refused():
    with pytest.raises(ValueError, match="metric must be accuracy or loss; got f1"):
        drawn(combos(), metric="f1")
    with pytest.raises(ValueError, match="final must be last or best; got first"):
        drawn(combos(), final="first")


def test_a_metric_that_a_study_lacks_is_one_sentence():
    with pytest.raises(ValueError, match="must be in the records; demo has no final_test_loss"):
        drawn(combos().assign(final_test_loss=math.nan), metric="loss")


def test_a_p_that_is_too_small_for_a_number_is_not_called_zero():
    n = 1000
    assert kendalltau(range(n), -np.arange(n)).pvalue == 0
    assert drawn(combos(range(n), np.linspace(0.9, 0.5, n))).get_title().endswith("$p$ $<10^{-300}$")
