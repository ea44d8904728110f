"""Forest, complexity, comparison and grid of scatters: what is drawn, read off the artists."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hand_made import correlated, study_folder
from matplotlib import colors, pyplot, style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import kendalltau

import oraclecheck as oc
from oraclecheck.analysis.figures.comparison import plot_comparison
from oraclecheck.analysis.figures.complexity import plot_complexity
from oraclecheck.analysis.figures.forest import plot_forest
from oraclecheck.analysis.figures.print_style import PRINT
from oraclecheck.analysis.figures.scatter import plot_scatter
from oraclecheck.analysis.figures.scatter_grid import grid_shape, plot_scatter_grid

NAN = float("nan")
GREEN, VERMILLION, GREY = "#009E73", "#D55E00", "#666666"


def new_axes(count: int = 1) -> list[Axes]:
    return list(Figure().subplots(1, count, squeeze=False).flat)


def lines(ax: Axes, **looks: object) -> list[list[tuple[float, float]]]:
    """Points of the lines that look so, rounded."""
    chosen = [
        line for line in ax.lines if all(getattr(line, f"get_{name}")() == value for name, value in looks.items())
    ]
    return [[(round(float(x), 4), round(float(y), 4)) for x, y in line.get_xydata()] for line in chosen]


def markers(ax: Axes) -> dict[tuple[float, float], tuple[str, str]]:
    """Where which marker of which colour stands."""
    shown = [line for line in ax.lines if len(line.get_xydata()) == 1 and line.get_marker() not in "|_"]
    return {
        tuple(round(float(v), 4) for v in line.get_xydata()[0]): (
            line.get_marker(),
            colors.to_hex(line.get_color()).upper(),
        )
        for line in shown
    }


FOREST = [
    {"layers": "conv1"},
    {"layers": "conv10", "verdict": "undecided", "agreement_low": NAN, "agreement_high": NAN, "ceiling": NAN},
    {"layers": "conv2", "verdict": "invalid", "agreement": -0.3, "agreement_low": -0.4, "agreement_high": -0.2},
]


def forest(**options) -> Axes:
    rows = [{**row, "study": row["layers"]} for row in FOREST]
    (ax,) = new_axes()
    assert plot_forest(correlated(*rows, *({**row, "metric": "loss", "n": 7} for row in rows)), ax, **options) is ax
    return ax


def test_forest_has_a_row_for_each_study_with_the_verdict_in_colour_and_shape():
    ax = forest()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["conv1", "conv2", "conv10"]
    assert markers(ax) == {
        (0.6123, 0): ("o", GREEN),
        (-0.3, 1): ("v", VERMILLION),
        (0.6123, 2): ("s", GREY),
    }


def test_forest_draws_intervals_ceilings_and_the_threshold():
    ax = forest()
    assert lines(ax, linewidth=1.3) == [[(0.5012, 0), (0.7088, 0)], [(-0.4, 1), (-0.2, 1)]]
    assert lines(ax, linestyle=":") == [[(0.6123, 0), (0.9234, 0)], [(-0.3, 1), (0.9234, 1)]]
    assert [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == "--"] == [0.2]
    assert ax.get_xlim()[0] <= -0.4 and ax.get_xlim()[1] >= 1


def test_forest_cuts_no_interval():
    (ax,) = new_axes()
    plot_forest(correlated({"agreement_low": -1.2, "agreement_high": 1.3}), ax)
    assert ax.get_xlim()[0] < -1.2 and ax.get_xlim()[1] > 1.3


def test_forest_writes_s_permuted_p_n_and_k_of_the_metric_asked_for():
    written = [text.get_text() for text in forest().texts]
    assert written[:4] == ["$s$", "0.61", "\N{MINUS SIGN}0.30", "0.61"]
    assert written[4:8] == ["permuted $p$", *[r"$5.0\times10^{-4}$"] * 3]
    assert written[8:] == ["$n$, $k$", *["45, 3"] * 3]
    assert [text.get_text() for text in forest(metric="loss").texts][-3:] == ["7, 3"] * 3
    assert forest(metric="loss").get_xlabel() == "agreement $s$ with final test loss"


def test_forest_puts_a_mean_over_networks_above_them_as_a_diamond():
    mean = correlated({"networks": 4, "agreement": 0.5, "layers": "conv2"}).drop(columns=["n", "k", "ceiling"])
    ax = forest(networks=mean.assign(studies=[["conv2"]]))
    assert markers(ax)[(0.5, 1)] == ("D", GREEN) and markers(ax)[(-0.3, 2)] == ("v", VERMILLION)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["conv1", "conv2", "dense seed 0", "conv10"]
    assert "4 networks" in [text.get_text() for text in ax.texts]


def test_forest_gives_a_label_of_several_lines_more_room():
    long = ", ".join(["layer"] * 20)
    ax = Figure(figsize=(6.9, 3)).subplots()
    plot_forest(correlated(*({"study": name, "layers": name} for name in ("conv1", long, "conv2"))), ax)
    further = [label.get_text().count("\n") for label in ax.get_yticklabels()]
    assert further[:2] == [0, 0] and further[2] > 0  # single layers first
    assert list(ax.get_yticks()) == [0, 1, pytest.approx(2 + 0.35 * further[2])]


def test_forest_leaves_an_undefined_agreement_empty():
    (ax,) = new_axes()
    plot_forest(correlated({"agreement": NAN, "agreement_low": NAN, "agreement_high": NAN}), ax)
    assert markers(ax) == {}


def test_forest_of_a_metric_that_nobody_measured_is_one_sentence():
    with pytest.raises(ValueError, match="metric must be one of the table's, accuracy; got loss"):
        plot_forest(correlated({}), new_axes()[0], metric="loss")


def complexity(table: pd.DataFrame) -> list[Axes]:
    return plot_complexity(table, new_axes(2))


SIZES = [
    {"model": "lenet5_mini_w40", "study": "w40", "dense_params": 13780, "anomaly_ratio": 0.02, "anomaly_low": NAN},
    {"model": "lenet5_mini", "study": "mini", "dense_params": 5500},
]


def test_complexity_orders_networks_by_their_parameters():
    left, right = complexity(correlated(*SIZES))
    for ax in (left, right):
        assert [label.get_text() for label in ax.get_xticklabels()] == ["lenet5_mini\n5,500", "w40\n13,780"]
    assert set(markers(left)) == {(0, 0.6123), (1, 0.6123)}
    assert set(markers(right)) == {(0, round(100 * 4 / 45, 4)), (1, 2.0)}
    assert lines(right, linewidth=1.3) == [[(0, 5.0), (0, 14.0)]]
    assert lines(left, linestyle=":") == [[(0, 0.6123), (0, 0.9234)], [(1, 0.6123), (1, 0.9234)]]


def test_complexity_without_parameters_keeps_the_order_of_the_rows():
    table = correlated(*SIZES).drop(columns="dense_params")
    assert [label.get_text() for label in complexity(table)[0].get_xticklabels()] == ["w40", "lenet5_mini"]


def test_complexity_sets_studies_of_one_network_side_by_side():
    left, _ = complexity(correlated({"study": "a"}, {"study": "b", "agreement": 0.4}, {"study": "c", "agreement": 0.3}))
    places = sorted(x for x, _ in markers(left))
    assert places[1] == 0 and places[0] == -places[2] < 0


@pytest.fixture
def two_fractions(tmp_path) -> pd.DataFrame:
    study_folder(tmp_path, "full-00000000", n=8, k=1)
    study_folder(tmp_path, "tenth-11111111", n=7, k=1, space_size=8, retrain_fraction=0.1)
    return oc.load_runs(tmp_path)


def test_comparison_pairs_the_combinations_of_both_studies(two_fractions):
    (ax,) = new_axes()
    plot_comparison(two_fractions, ax, metric="loss")
    (dots,) = ax.collections
    by_study = {name: study.set_index("combo")["final_test_loss"] for name, study in two_fractions.groupby("study")}
    tenth, full = by_study["tenth-11111111"], by_study["full-00000000"].drop(7)
    np.testing.assert_allclose(dots.get_offsets(), np.column_stack([tenth, full]))
    tau = kendalltau(tenth, full).statistic
    assert ax.get_title().startswith(rf"$n$ = 7, $\tau$ = {tau:.2f}, $p$ = ")
    assert ax.get_xlabel() == "final test loss, retraining 10 %"
    assert ax.get_ylabel() == "final test loss, retraining 100 %"


def test_comparison_counts_what_diverged(two_fractions):
    two_fractions.loc[two_fractions["combo"] == 3, ["status", "final_test_accuracy"]] = ["diverged", NAN]
    (ax,) = new_axes()
    plot_comparison(two_fractions, ax)
    assert ax.get_title().endswith("1 diverged, at the edge")
    assert len(ax.collections[0].get_offsets()) == 6
    assert len([line for line in ax.lines if line.get_gid() == "rug"]) == 1


def test_comparison_of_other_than_two_studies_of_the_same_combinations_is_one_sentence(two_fractions):
    one = two_fractions[two_fractions["study"] == "full-00000000"]
    with pytest.raises(ValueError, match="must get two studies; got 1"):
        plot_comparison(one, new_axes()[0])
    apart = pd.concat([one[one["combo"] < 3], one[one["combo"] > 3].assign(study="other", study_hash="other")])
    with pytest.raises(ValueError, match="full-00000000 and other share none"):
        plot_comparison(apart, new_axes()[0])


def test_grid_has_a_panel_for_each_study_in_reading_order(tmp_path):
    for i, layer in enumerate(("conv10", "conv2", "conv1")):
        study_folder(tmp_path, f"s-{i:08x}", k=1, layers=[layer])
    runs = oc.load_runs(tmp_path)
    axes = plot_scatter_grid(runs, new_axes(4))
    assert [ax.get_title().split("\n")[0] for ax in axes] == ["conv1", "conv2", "conv10"]
    study = runs[runs["layers"].map(lambda layers: layers == ["conv2"])]
    drawn = sorted(tuple(point) for artist in axes[1].collections for point in artist.get_offsets())
    expected = sorted(zip(study["pruned_train_loss"], 100 * study["final_test_accuracy"], strict=True))
    np.testing.assert_allclose(drawn, expected)
    tau = kendalltau(study["pruned_train_loss"], study["final_test_accuracy"]).statistic
    assert f"{abs(tau):.2f}" in axes[1].get_title()
    (legend,) = axes[0].figure.legends
    assert [text.get_text() for text in legend.get_texts()][1:] == ["better than it", "not better"]


def test_grid_needs_axes_for_every_study(two_fractions):
    with pytest.raises(ValueError, match="got 1 for 2 studies"):
        plot_scatter_grid(two_fractions, new_axes(1))


@pytest.mark.parametrize("studies", [1, 2, 3, 4, 5, 7, 9, 25, 60])
def test_grid_shape_holds_every_study_in_at_most_five_columns(studies):
    rows, columns = grid_shape(studies)
    assert rows * columns >= studies > (rows - 1) * columns
    assert columns <= 5


def test_scatter_of_runs_is_that_of_their_combinations(two_fractions):
    runs = two_fractions[two_fractions["study"] == "full-00000000"]
    of_runs, of_combos = (plot_scatter(given, new_axes()[0]) for given in (runs, oc.combinations_table(runs)))
    for one, other in zip(of_runs.collections, of_combos.collections, strict=True):
        np.testing.assert_array_equal(one.get_offsets(), other.get_offsets())


def test_scatter_of_several_studies_is_one_sentence(two_fractions):
    message = 'must get one study; got 2: select one, as in runs\\[runs\\["study"\\] == "full-00000000"\\]'
    with pytest.raises(ValueError, match=message):
        oc.plot_scatter(two_fractions)


def test_figures_without_axes_are_those_that_a_notebook_shows(two_fractions, monkeypatch):
    monkeypatch.setattr(pyplot, "show", lambda: None)
    before = set(pyplot.get_fignums())
    table = oc.correlate(two_fractions, draws=10)
    made = [
        oc.plot_scatter(two_fractions[two_fractions["retrain_fraction"] == 1]),
        oc.plot_scatter_grid(two_fractions)[0],
        oc.plot_forest(table),
        oc.plot_complexity(table)[0],
        oc.plot_comparison(two_fractions),
    ]
    assert all(isinstance(ax, Axes) for ax in made)
    new = sorted(set(pyplot.get_fignums()) - before)
    assert len(new) == len(made)
    for number in new:
        pyplot.close(number)


def test_figures_are_made_while_a_notebook_would_notice_them(two_fractions, monkeypatch):
    # Its backend shows what is made while pyplot is interactive, and only that.
    noticed = []
    make = pyplot.figure
    monkeypatch.setattr(
        pyplot, "figure", lambda **options: (noticed.append(pyplot.isinteractive()), make(**options))[1]
    )
    with pyplot.ion():
        oc.plot_comparison(two_fractions)
        oc.plot_scatter_grid(two_fractions)
    assert noticed == [True, True]
    pyplot.close("all")


def test_figures_on_given_axes_leave_pyplot_alone():
    code = """import sys, pandas as pd, oraclecheck as oc
from matplotlib.figure import Figure
rows = {"study": "s", "score": [1.0, 2.0], "k": 1, "picked_by": None, "final_test_accuracy": [0.5, 0.6]}
oc.plot_scatter(pd.DataFrame(rows), Figure().subplots())
print("matplotlib.pyplot" in sys.modules)"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_no_type_in_print_is_smaller_than_seven_points(two_fractions):
    with style.context(["default", PRINT]):
        axes = [forest(), *complexity(correlated(*SIZES)), *plot_scatter_grid(two_fractions, new_axes(2))]
        axes.append(plot_comparison(two_fractions, new_axes()[0]))
    for ax in axes:
        texts = [*ax.texts, ax.title, ax.xaxis.label, ax.yaxis.label, *ax.get_xticklabels(), *ax.get_yticklabels()]
        assert min(text.get_fontsize() for text in texts) >= 7
