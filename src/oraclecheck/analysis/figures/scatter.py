"""The scatter of paper 1's Figures 2 to 5: what pruning did to the loss against what retraining made of it.

Drawing only: every number comes from `correlation`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from oraclecheck.analysis.criterion import ORACLE, Criterion
from oraclecheck.analysis.figures.points import Points, axis_label, combinations_of, finite, points_of, tau_and_p
from oraclecheck.analysis.figures.print_style import (
    BETTER,
    COLUMN,
    FULL,
    NOT_BETTER,
    axes_or_new,
    notebook_figure,
    save_figure,
)
from oraclecheck.analysis.metrics import HIGHER_IS_BETTER
from oraclecheck.analysis.words import study_labels

PICKS = "sDvPX"

PANEL_HEIGHT = 1.45
"""Inches of one panel of a grid, title included."""


def plot_scatter(
    runs: pd.DataFrame,
    ax: Axes | None = None,
    *,
    metric: str = "accuracy",
    final: str = "last",
    criterion: Criterion = ORACLE,
) -> Axes:
    """Draw each combination's metric after retraining over its score, as in Figure 2 of paper 1.

    A star marks the criterion's choice, the combination with the least score (the first of several); dashed guides run
    through it. Strictly better combinations are vermillion triangles, the others green circles; combinations that a
    criterion picked (`picked_by`) are open markers and count nowhere. Points that are not finite are not drawn but
    counted in a note, and they do count in the legend and in tau.

    Args:
        runs: The runs of one study, or its rows of `combinations_table`; accuracies are fractions, drawn in percent.
        ax: Where to draw; None makes Axes that a notebook shows.
        metric: "accuracy" (higher is better) or "loss" (lower is better).
        final: "last" (after the last epoch) or "best" (at the epoch with the best test accuracy).
        criterion: Whose score is drawn; rows of `combinations_table` must be those of the same.

    Returns:
        The Axes.

    Raises:
        ValueError: If metric or final is another word, or runs hold several studies or lack the metric.
    """
    combos = combinations_of(runs, metric, final, criterion)
    if len(studies := combos["study"].unique()) > 1:
        raise ValueError(
            f"plot_scatter must get one study; got {len(studies)}: select one, as in "
            f'runs[runs["study"] == "{studies[0]}"], or use plot_scatter_grid'
        )
    with axes_or_new(ax, width=COLUMN, height=COLUMN) as ax:
        shown = combos[combos["k"] > 0]
        unpicked = shown[shown["picked_by"].isna()]
        score, finals = _draw_combinations(ax, unpicked, metric, final, criterion)
        for i, (name, picks) in enumerate(shown.dropna(subset="picked_by").groupby("picked_by")):
            x, y = finite(*points_of(picks, metric, final))
            ax.plot(x, y, PICKS[i % len(PICKS)], mfc="none", mec="black", ms=6, zorder=5, label=f"pick of {name}")
        if hidden := len(shown) - len(finite(*points_of(shown, metric, final))[0]):
            ax.plot([], [], " ", label=f"{hidden} not drawn (diverged)")
        ax.set_xlabel(criterion.score)
        ax.set_ylabel(axis_label(final, metric))
        ax.set_title(", ".join([*_counts(unpicked["k"], score), *tau_and_p(score, finals)]))
        ax.ticklabel_format(useOffset=False)
        ax.spines[["top", "right"]].set_visible(False)
        if ax.get_legend_handles_labels()[0]:
            # Below the axis label, where it never covers a point; the pad is in units of the font size.
            ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=4.2, handletextpad=0.2, frameon=False)
    return ax


def plot_scatter_grid(
    runs: pd.DataFrame,
    axes: Sequence[Axes] | None = None,
    *,
    metric: str = "accuracy",
    final: str = "last",
    criterion: Criterion = ORACLE,
) -> list[Axes]:
    """Draw the scatter of every study in a small panel of its own, as paper 1's appendix does for Table 2.

    Args:
        runs: The runs of one or more studies, or their rows of `combinations_table`.
        axes: Where to draw, at least one for each study; None makes a figure that a notebook shows. The legend goes
            below all of them, into the figure.
        metric: "accuracy" or "loss".
        final: "last" or "best".
        criterion: Whose score is drawn, as for `plot_scatter`.

    Returns:
        The Axes, one for each study: single layers first, then by ratio.

    Raises:
        ValueError: If metric or final is another word, there are too few Axes, or a study lacks the metric.
    """
    combos = combinations_of(runs, metric, final, criterion)
    labels = study_labels(runs)
    studies = [(name, combos[combos["study"] == name]) for name in labels]
    if axes is None:
        rows, columns = grid_shape(len(studies))
        with notebook_figure(FULL, PANEL_HEIGHT * rows) as figure:
            made = figure.subplots(rows, columns, squeeze=False).flat
            return plot_scatter_grid(runs, list(made), metric=metric, final=final, criterion=criterion)
    if len(axes) < len(studies):
        raise ValueError(f"axes must be one for each study; got {len(axes)} for {len(studies)} studies")
    for ax, (name, study) in zip(axes, studies, strict=False):
        shown = study[(study["k"] > 0) & study["picked_by"].isna()]
        score, finals = _draw_combinations(ax, shown, metric, final, criterion, size=4)
        ax.set_title(
            "\n".join([labels[name], ", ".join([f"$n$ = {len(score)}", *tau_and_p(score, finals)[:1]])]), size=7
        )
        ax.ticklabel_format(useOffset=False)
        ax.locator_params(nbins=4)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes[len(studies) :]:
        ax.set_axis_off()
    figure = axes[0].figure.get_figure(root=True)
    assert figure is not None  # Axes belong to one
    figure.supxlabel(criterion.score, size=8)
    figure.supylabel(axis_label(final, metric), size=8)
    figure.legend(handles=_keys(criterion), loc="outside upper center", ncols=3, frameon=False, handletextpad=0.2)
    return list(axes[: len(studies)])


def save_scatter(
    combos: pd.DataFrame, stem: Path, *, metric: str = "accuracy", final: str = "last", criterion: Criterion = ORACLE
) -> list[Path]:
    """Write the scatter one column wide; see `plot_scatter` and `print_style.save_figure`."""
    return save_figure(
        lambda figure: plot_scatter(combos, figure.subplots(), metric=metric, final=final, criterion=criterion),
        stem,
        width=COLUMN,
        height=COLUMN,
    )


def save_scatter_grid(
    runs: pd.DataFrame, stem: Path, *, metric: str = "accuracy", final: str = "last", criterion: Criterion = ORACLE
) -> list[Path]:
    """Write the grid of scatters over both columns; see `plot_scatter_grid` and `print_style.save_figure`."""
    rows, columns = grid_shape(runs["study"].nunique())
    asked: Any = {"metric": metric, "final": final, "criterion": criterion}
    return save_figure(
        lambda figure: plot_scatter_grid(runs, list(figure.subplots(rows, columns, squeeze=False).flat), **asked),
        stem,
        width=FULL,
        height=PANEL_HEIGHT * rows + 0.5,
    )


def grid_shape(studies: int) -> tuple[int, int]:
    """Rows and columns of a grid: up to five panels side by side, where seven-point type still fits."""
    columns = min(studies, 5 if studies > 8 else 4 if studies > 6 or studies == 4 else 3)
    return -(-studies // columns), columns


def _draw_combinations(
    ax: Axes, combos: pd.DataFrame, metric: str, final: str, criterion: Criterion, size: float | None = None
) -> Points:
    """Draw combinations that no criterion picked; gives their scores and metrics."""
    score, finals = points_of(combos, metric, final)
    if len(score) == 0:
        return score, finals
    choice = int(np.argmin(score))
    better = finals > finals[choice] if HIGHER_IS_BETTER[metric] else finals < finals[choice]
    others = ~better
    others[choice] = False
    least = int((score == score[choice]).sum())
    words = f"first of {least} with the least {criterion.score}" if least > 1 else f"least {criterion.score}"
    x, y = finite(score[[choice]], finals[[choice]])
    for guide, at in ((ax.axvline, x), (ax.axhline, y)):
        for position in at:
            guide(position, color="0.4", linewidth=0.8, linestyle="--", zorder=0)
    star, label = 45 if size else 90, f"{criterion.pick} ({words})"
    ax.scatter(x, y, s=star, c="black", marker="*", edgecolors="white", linewidths=0.6, zorder=6, label=label)
    size = size or (14 if len(score) <= 300 else 6)
    groups = ((better, BETTER, f"better than the {criterion.pick}"), (others, NOT_BETTER, "not better"))
    for group, (color, marker), words in groups:
        share = f"{group.sum()} of {len(score)}, {100 * group.mean():.1f} %"
        x, y = finite(score[group], finals[group])
        ax.scatter(x, y, s=size, c=color, marker=marker, linewidths=0, alpha=0.9, label=f"{words} ({share})")
    return score, finals


def _keys(criterion: Criterion) -> list[Line2D]:
    choice = f"{criterion.pick} (least {criterion.score})"
    star = Line2D([], [], color="black", marker="*", ms=7, ls="", label=choice)
    words = ((BETTER, "better than it"), (NOT_BETTER, "not better"))
    return [star, *(Line2D([], [], color=c, marker=m, ms=4, ls="", label=word) for (c, m), word in words)]


def _counts(k: pd.Series, score: NDArray[np.float64]) -> list[str]:
    repeats = f"{k.min()}–{k.max()}" if k.nunique() > 1 else f"{k.max() if len(k) else 0}"
    return [f"$n$ = {len(score)}", f"$k$ = {repeats}"]
