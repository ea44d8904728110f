"""The scatters of many studies in small panels, as paper 1's appendix shows the cells of its Table 2."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from oraclecheck.analysis.criterion import ORACLE, Criterion
from oraclecheck.analysis.figures.points import axis_label, combinations_of, tau_and_p
from oraclecheck.analysis.figures.print_style import BETTER, FULL, NOT_BETTER, notebook_figure, save_figure
from oraclecheck.analysis.figures.scatter import draw_combinations
from oraclecheck.analysis.words import study_labels

PANEL_HEIGHT = 1.45
"""Inches of one panel of a grid, title included."""


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
        score, finals = draw_combinations(ax, shown, metric, final, criterion, size=4)
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


def _keys(criterion: Criterion) -> list[Line2D]:
    choice = f"{criterion.pick} (least {criterion.score})"
    star = Line2D([], [], color="black", marker="*", ms=7, ls="", label=choice)
    words = ((BETTER, "better than it"), (NOT_BETTER, "not better"))
    return [star, *(Line2D([], [], color=c, marker=m, ms=4, ls="", label=word) for (c, m), word in words)]
