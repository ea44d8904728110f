"""The scatter of paper 1's Figures 2 to 5: what pruning did to the loss against what retraining made of it.

Drawing only: every number comes from `correlation`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from oraclecheck.analysis.figures.print_style import (
    BETTER,
    COLUMN,
    FULL,
    NOT_BETTER,
    axes_or_new,
    minus,
    notebook_figure,
    save_figure,
    scientific,
)
from oraclecheck.analysis.identity import describe, in_reading_order, varying
from oraclecheck.analysis.outcomes import HIGHER_IS_BETTER
from oraclecheck.analysis.rounding import decimal
from oraclecheck.analysis.statistics.correlation import kendall
from oraclecheck.analysis.tables import FINALS, combinations_table
from oraclecheck.report.layouts import metric_name

PICKS = "sDvPX"

PANEL_HEIGHT = 1.45
"""Inches of one panel of a grid, title included."""

Points = tuple[NDArray[np.float64], NDArray[np.float64]]


def plot_scatter(runs: pd.DataFrame, ax: Axes | None = None, *, metric: str = "accuracy", final: str = "last") -> Axes:
    """Draw each combination's metric after retraining over its pruned train loss, as in Figure 2 of paper 1.

    A star marks the oracle's choice, the combination with the least pruned train loss (the first of several); dashed
    guides run through it. Strictly better combinations are vermillion triangles, the others green circles; picks of
    other criteria are open markers and count nowhere. Points that are not finite are not drawn but counted in a note,
    and they do count in the legend and in tau.

    Args:
        runs: The runs of one study, or its rows of `combinations_table`; accuracies are fractions, drawn in percent.
        ax: Where to draw; None makes Axes that a notebook shows.
        metric: "accuracy" (higher is better) or "loss" (lower is better).
        final: "last" (after the last epoch) or "best" (at the epoch with the best test accuracy).

    Returns:
        The Axes.

    Raises:
        ValueError: If metric or final is another word, or runs hold several studies or lack the metric.
    """
    combos = combinations_of(runs, metric, final)
    if len(studies := combos["study"].unique()) > 1:
        raise ValueError(
            f"plot_scatter must get one study; got {len(studies)}: select one, as in "
            f'runs[runs["study"] == "{studies[0]}"], or use plot_scatter_grid'
        )
    column = f"{FINALS[final]}_test_{metric}"
    with axes_or_new(ax, width=COLUMN, height=COLUMN) as ax:
        shown = combos[combos["k"] > 0]
        unpicked = shown[shown["picked_by"].isna()]
        score, finals = _points(unpicked, column)
        _draw_combinations(ax, score, finals, higher_is_better=HIGHER_IS_BETTER[metric])
        for i, (name, picks) in enumerate(shown.dropna(subset="picked_by").groupby("picked_by")):
            x, y = _finite(*_points(picks, column))
            ax.plot(x, y, PICKS[i % len(PICKS)], mfc="none", mec="black", ms=6, zorder=5, label=f"pick of {name}")
        if hidden := len(shown) - len(_finite(*_points(shown, column))[0]):
            ax.plot([], [], " ", label=f"{hidden} not drawn (diverged)")
        ax.set_xlabel("pruned train loss")
        ax.set_ylabel(axis_label(final, metric))
        ax.set_title(", ".join([*_counts(unpicked["k"], score), *_tau(score, finals)]))
        ax.ticklabel_format(useOffset=False)
        ax.spines[["top", "right"]].set_visible(False)
        if ax.get_legend_handles_labels()[0]:
            # Below the axis label, where it never covers a point; the pad is in units of the font size.
            ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=4.2, handletextpad=0.2, frameon=False)
    return ax


def plot_scatter_grid(
    runs: pd.DataFrame, axes: Sequence[Axes] | None = None, *, metric: str = "accuracy", final: str = "last"
) -> list[Axes]:
    """Draw the scatter of every study in a small panel of its own, as paper 1's appendix does for Table 2.

    Args:
        runs: The runs of one or more studies, or their rows of `combinations_table`.
        axes: Where to draw, at least one for each study; None makes a figure that a notebook shows. The legend goes
            below all of them, into the figure.
        metric: "accuracy" or "loss".
        final: "last" or "best".

    Returns:
        The Axes, one for each study: single layers first, then by ratio.

    Raises:
        ValueError: If metric or final is another word, there are too few Axes, or a study lacks the metric.
    """
    combos = combinations_of(runs, metric, final)
    labels = study_labels(runs)
    studies = [(name, combos[combos["study"] == name]) for name in labels]
    if axes is None:
        rows, columns = grid_shape(len(studies))
        with notebook_figure(FULL, PANEL_HEIGHT * rows) as figure:
            made = figure.subplots(rows, columns, squeeze=False).flat
            return plot_scatter_grid(runs, list(made), metric=metric, final=final)
    if len(axes) < len(studies):
        raise ValueError(f"axes must be one for each study; got {len(axes)} for {len(studies)} studies")
    column = f"{FINALS[final]}_test_{metric}"
    for ax, (name, study) in zip(axes, studies, strict=False):
        shown = study[(study["k"] > 0) & study["picked_by"].isna()]
        score, finals = _points(shown, column)
        _draw_combinations(ax, score, finals, higher_is_better=HIGHER_IS_BETTER[metric], size=4)
        ax.set_title("\n".join([labels[name], ", ".join([f"$n$ = {len(score)}", *_tau(score, finals)[:1]])]), size=7)
        ax.ticklabel_format(useOffset=False)
        ax.locator_params(nbins=4)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes[len(studies) :]:
        ax.set_axis_off()
    figure = axes[0].figure.get_figure(root=True)
    assert figure is not None  # Axes belong to one
    figure.supxlabel("pruned train loss", size=8)
    figure.supylabel(axis_label(final, metric), size=8)
    figure.legend(handles=_keys(), loc="outside upper center", ncols=3, frameon=False, handletextpad=0.2)
    return list(axes[: len(studies)])


def save_scatter(combos: pd.DataFrame, stem: Path, *, metric: str = "accuracy", final: str = "last") -> list[Path]:
    """Write the scatter one column wide; see `plot_scatter` and `print_style.save_figure`."""
    return save_figure(
        lambda figure: plot_scatter(combos, figure.subplots(), metric=metric, final=final),
        stem,
        width=COLUMN,
        height=COLUMN,
    )


def save_scatter_grid(runs: pd.DataFrame, stem: Path, *, metric: str = "accuracy", final: str = "last") -> list[Path]:
    """Write the grid of scatters over both columns; see `plot_scatter_grid` and `print_style.save_figure`."""
    rows, columns = grid_shape(runs["study"].nunique())
    return save_figure(
        lambda figure: plot_scatter_grid(
            runs, list(figure.subplots(rows, columns, squeeze=False).flat), metric=metric, final=final
        ),
        stem,
        width=FULL,
        height=PANEL_HEIGHT * rows + 0.5,
    )


def grid_shape(studies: int) -> tuple[int, int]:
    """Rows and columns of a grid: up to five panels side by side, where seven-point type still fits."""
    columns = min(studies, 5 if studies > 8 else 4 if studies > 6 or studies == 4 else 3)
    return -(-studies // columns), columns


def combinations_of(runs: pd.DataFrame, metric: str, final: str) -> pd.DataFrame:
    """The combinations of runs, or the rows themselves if they are combinations already.

    Raises:
        ValueError: If metric or final is an unknown word, or a study lacks that metric or contradicts itself.
    """
    if metric not in HIGHER_IS_BETTER:
        raise ValueError(f"metric must be accuracy or loss; got {metric}")
    if final not in FINALS:
        raise ValueError(f"final must be last or best; got {final}")
    combos = runs if "score" in runs else combinations_table(runs)
    column = f"{FINALS[final]}_test_{metric}"
    shown = combos[combos["k"] > 0]
    lacking = shown.groupby("study")[column].apply(lambda values: values.isna().all())
    if lacking.any():
        raise ValueError(f"metric and final must be in the records; {lacking.idxmax()} has no {column}")
    if len(wrong := shown[shown["score"].isna()]):
        raise ValueError(f"records of {wrong['study'].iloc[0]} contradict each other: nothing can be drawn of them")
    return combos


def study_labels(runs: pd.DataFrame) -> dict[str, str]:
    """Each study's short name for a figure, what tells it apart, else its name; in the order in which to read them."""
    first = in_reading_order(runs.drop_duplicates("study"))
    names = varying(first)
    labels = {str(row["study"]): describe(row, names) for _, row in first.iterrows()}
    unique = len(set(labels.values())) == len(labels)
    return labels if names and unique else {study: study for study in labels}


def axis_label(final: str, metric: str) -> str:
    """What an axis with a metric after retraining says."""
    return f"{metric_name(final, metric)}{' (%)' if metric == 'accuracy' else ''}"


def _points(combos: pd.DataFrame, column: str) -> Points:
    unit = 100 if column.endswith("accuracy") else 1
    return combos["score"].to_numpy(float), unit * combos[column].to_numpy(float)


def _finite(x: NDArray[np.float64], y: NDArray[np.float64]) -> Points:
    drawn = np.isfinite(x) & np.isfinite(y)
    return x[drawn], y[drawn]


def _draw_combinations(
    ax: Axes,
    score: NDArray[np.float64],
    final: NDArray[np.float64],
    *,
    higher_is_better: bool,
    size: float | None = None,
) -> None:
    if len(score) == 0:
        return
    choice = int(np.argmin(score))
    better = final > final[choice] if higher_is_better else final < final[choice]
    others = ~better
    others[choice] = False
    least = int((score == score[choice]).sum())
    words = f"first of {least} with the least pruned train loss" if least > 1 else "least pruned train loss"
    x, y = _finite(score[[choice]], final[[choice]])
    for guide, at in ((ax.axvline, x), (ax.axhline, y)):
        for position in at:
            guide(position, color="0.4", linewidth=0.8, linestyle="--", zorder=0)
    star, label = 45 if size else 90, f"oracle's choice ({words})"
    ax.scatter(x, y, s=star, c="black", marker="*", edgecolors="white", linewidths=0.6, zorder=6, label=label)
    size = size or (14 if len(score) <= 300 else 6)
    groups = ((better, BETTER, "better than the oracle's choice"), (others, NOT_BETTER, "not better"))
    for group, (color, marker), words in groups:
        share = f"{group.sum()} of {len(score)}, {100 * group.mean():.1f} %"
        x, y = _finite(score[group], final[group])
        ax.scatter(x, y, s=size, c=color, marker=marker, linewidths=0, alpha=0.9, label=f"{words} ({share})")


def _keys() -> list[Line2D]:
    star = Line2D([], [], color="black", marker="*", ms=7, ls="", label="oracle's choice (least pruned train loss)")
    words = ((BETTER, "better than it"), (NOT_BETTER, "not better"))
    return [star, *(Line2D([], [], color=c, marker=m, ms=4, ls="", label=word) for (c, m), word in words)]


def _counts(k: pd.Series, score: NDArray[np.float64]) -> list[str]:
    repeats = f"{k.min()}–{k.max()}" if k.nunique() > 1 else f"{k.max() if len(k) else 0}"
    return [f"$n$ = {len(score)}", f"$k$ = {repeats}"]


def _tau(score: NDArray[np.float64], final: NDArray[np.float64]) -> list[str]:
    if len(score) < 2:
        return []
    tau, p = kendall(score, final)
    if np.isnan(tau):
        return ["$\\tau$ not defined"]
    return [f"$\\tau$ = {minus(decimal(tau))}", f"$p$ = {scientific(p)}"]
