"""The scatters of many studies in small panels, as paper 1's appendix shows the cells of its Table 2."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from oraclecheck.analysis.criterion import ORACLE, Criterion
from oraclecheck.analysis.figures.combinations import SPREAD, draw_combinations
from oraclecheck.analysis.figures.lettering import POINTS, columns_that_fit, figure_width, fitted, set_title
from oraclecheck.analysis.figures.points import axis_label, combinations_of, judged, judged_rows, tau_and_p
from oraclecheck.analysis.figures.print_style import BETTER, FULL, NOT_BETTER, given_or_new, save_figure
from oraclecheck.analysis.figures.score_axis import most_pile_up, scale_scores
from oraclecheck.analysis.words import study_labels

_PANEL_HEIGHT, _LINE = 1.2, 0.125
"""Inches of one panel of a grid without its title, and of a line of the title."""

_LEFT, _TICKS, _GAP = 20, 26, 5
"""Points that the label of the y axis takes, the labels of a panel's ticks, and the gap between titles side by side."""


def plot_scatter_grid(
    runs: pd.DataFrame,
    axes: Sequence[Axes] | None = None,
    *,
    metric: str = "accuracy",
    final: str = "last",
    criterion: Criterion = ORACLE,
    table: pd.DataFrame | None = None,
) -> list[Axes]:
    """Draw the scatter of every study in a small panel of its own, as paper 1's appendix does for Table 2.

    Marks are those of `plot_scatter`; a title says by what the study differs from the others, n, s with its interval,
    its noise ceiling and the permuted p. The score's axes are all linear or all logarithmic
    (`score_axis.most_pile_up`).

    Args:
        runs: The runs of one or more studies, or their rows of `combinations_table`.
        axes: Where to draw, at least one for each study; None makes a figure that a notebook shows. The legend goes
            above all of them, into the figure.
        metric: "accuracy" or "loss".
        final: "last" or "best".
        criterion: Whose score is drawn, as for `plot_scatter`.
        table: Rows of `correlate` that have the studies', as for `plot_scatter`.

    Returns:
        The Axes, one for each study: single layers first, then by ratio.

    Raises:
        ValueError: If metric or final is another word, there are too few Axes, or a study lacks the metric.
    """
    combos = combinations_of(runs, metric, final, criterion)
    combos = combos[combos["picked_by"].isna()]
    labels = study_labels(runs)
    judged_by = judged_rows(runs, table, metric, final, criterion)
    rows, columns = grid_shape(len(labels))
    panels = {name: combos[combos["study"] == name] for name in labels}
    logarithmic = most_pile_up(shown["score"] for shown in panels.values())
    height = (_PANEL_HEIGHT + 4 * _LINE) * rows
    with given_or_new(axes, FULL, height, rows, columns) as axes:
        if len(axes) < len(labels):
            raise ValueError(f"axes must be one for each study; got {len(axes)} for {len(labels)} studies")
        figure: Any = axes[0].get_figure(root=True)
        width = _title_width(figure_width(axes[0]), columns)
        for ax, (name, shown) in zip(axes, panels.items(), strict=False):
            draw_combinations(ax, shown, metric, criterion, size=4)
            ax.locator_params(axis="y", nbins=4)
            ax.ticklabel_format(axis="y", useOffset=False)
            if not logarithmic:
                ax.locator_params(axis="x", nbins=4)
            scale_scores(ax, logarithmic=logarithmic)
            set_title(ax, _title(labels[name], shown, judged_by.get(name), width), width - _TICKS)
            ax.spines[["top", "right"]].set_visible(False)
        for ax in axes[len(labels) :]:
            ax.set_axis_off()
        figure.supxlabel(f"{criterion.score}{' (log scale)' if logarithmic else ''}", size=8)
        figure.supylabel(axis_label(final, metric), size=8)
        keys = _keys(criterion, combos)
        across = columns_that_fit(axes[0], [str(key.get_label()) for key in keys])
        figure.legend(handles=keys, loc="outside upper center", ncols=across, frameon=False, handletextpad=0.2)
    return list(axes[: len(labels)])


def save_scatter_grid(runs: pd.DataFrame, stem: Path, **asked: Any) -> list[Path]:
    """Write the grid of scatters over both columns; see `plot_scatter_grid` and `print_style.save_figure`."""
    labels = study_labels(runs)
    rows, columns = grid_shape(len(labels))
    width = _title_width(POINTS * FULL, columns)
    lines = max(len(fitted(label.split(", "), width)) for label in labels.values()) + 3
    height = (_PANEL_HEIGHT + lines * _LINE) * rows + 0.5
    return save_figure(lambda axes: plot_scatter_grid(runs, axes, **asked), stem, FULL, height, rows, columns)


def grid_shape(studies: int) -> tuple[int, int]:
    """Rows and columns of a grid: up to four panels side by side, and five where the figure would leave its page."""
    columns = min(studies, 5 if studies > 16 else 4 if studies > 6 or studies == 4 else 3)
    return -(-studies // columns), columns


def _title_width(figure: float, columns: int) -> float:
    return (figure - _LEFT) / columns - _GAP


def _title(label: str, combos: pd.DataFrame, row: pd.Series | None, width: float) -> list[str]:
    numbers = tau_and_p(combos["score"], combos["y"])[:1] if row is None else judged(row)
    name = label.replace("$", r"\$").split(", ")
    numbers.insert(1, f"$n$ = {len(combos)}")
    return [*fitted(name, width), *fitted(numbers, width)]


def _keys(criterion: Criterion, combos: pd.DataFrame) -> list[Line2D]:
    choice = f"{criterion.pick} (least {criterion.score})"
    keys = [Line2D([], [], color="black", marker="*", ms=7, ls="", label=choice)]
    for (color, marker), word in ((BETTER, "better than it"), (NOT_BETTER, "not better")):
        keys.append(Line2D([], [], color=color, marker=marker, ms=4, ls="", label=word))
    if (combos["high"] > combos["low"]).any():
        keys.append(Line2D([], [], color="0.3", marker="|", ms=7, mew=0.5, ls="", label=SPREAD))
    if not combos["drawn"].all():
        keys.append(Line2D([], [], color="black", marker="|", ms=5, mew=0.9, ls="", label="diverged, at the edge"))
    return keys
