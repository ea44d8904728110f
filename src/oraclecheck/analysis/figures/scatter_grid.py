"""The scatters of many studies in small panels, as paper 1's appendix shows the cells of its Table 2."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from oraclecheck.analysis.criterion import ORACLE, Criterion
from oraclecheck.analysis.figures.points import axis_label, combinations_of, tau_and_p
from oraclecheck.analysis.figures.print_style import BETTER, FULL, NOT_BETTER, given_or_new, save_figure
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
    combos = combos[combos["picked_by"].isna()]
    labels = study_labels(runs)
    rows, columns = grid_shape(len(labels))
    with given_or_new(axes, FULL, PANEL_HEIGHT * rows, rows, columns) as axes:
        if len(axes) < len(labels):
            raise ValueError(f"axes must be one for each study; got {len(axes)} for {len(labels)} studies")
        for ax, (name, label) in zip(axes, labels.items(), strict=False):
            shown = combos[combos["study"] == name]
            draw_combinations(ax, shown, metric, criterion, size=4)
            counts = [f"$n$ = {len(shown)}", *tau_and_p(shown["score"], shown["y"])[:1]]
            ax.set_title(f"{label}\n{', '.join(counts)}", size=7)
            ax.ticklabel_format(useOffset=False)
            ax.locator_params(nbins=4)
            ax.spines[["top", "right"]].set_visible(False)
        for ax in axes[len(labels) :]:
            ax.set_axis_off()
        figure: Any = axes[0].figure.get_figure(root=True)
        figure.supxlabel(criterion.score, size=8)
        figure.supylabel(axis_label(final, metric), size=8)
        figure.legend(handles=_keys(criterion), loc="outside upper center", ncols=3, frameon=False, handletextpad=0.2)
    return list(axes[: len(labels)])


def save_scatter_grid(runs: pd.DataFrame, stem: Path, **asked: Any) -> list[Path]:
    """Write the grid of scatters over both columns; see `plot_scatter_grid` and `print_style.save_figure`."""
    rows, columns = grid_shape(runs["study"].nunique())
    height = PANEL_HEIGHT * rows + 0.5
    return save_figure(lambda axes: plot_scatter_grid(runs, axes, **asked), stem, FULL, height, rows, columns)


def grid_shape(studies: int) -> tuple[int, int]:
    """Rows and columns of a grid: up to five panels side by side, where seven-point type still fits."""
    columns = min(studies, 5 if studies > 8 else 4 if studies > 6 or studies == 4 else 3)
    return -(-studies // columns), columns


def _keys(criterion: Criterion) -> list[Line2D]:
    choice = f"{criterion.pick} (least {criterion.score})"
    star = Line2D([], [], color="black", marker="*", ms=7, ls="", label=choice)
    words = ((BETTER, "better than it"), (NOT_BETTER, "not better"))
    return [star, *(Line2D([], [], color=c, marker=m, ms=4, ls="", label=word) for (c, m), word in words)]
