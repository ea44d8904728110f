"""The scatter of paper 1's Figures 2 to 5: a criterion's score against what retraining made of it.

Drawing only: every number comes from `tables.correlate` and `correlation`.
"""

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from oraclecheck.analysis.criterion import ORACLE, Criterion
from oraclecheck.analysis.figures.combinations import SPREAD, draw_combinations, draw_rug
from oraclecheck.analysis.figures.lettering import figure_width, fitted, set_title
from oraclecheck.analysis.figures.points import axis_label, combinations_of, judged, judged_rows, tau_and_p
from oraclecheck.analysis.figures.print_style import COLUMN, given_or_new, save_figure
from oraclecheck.analysis.figures.score_axis import pile_up, scale_scores

_PICKS = "sDvPX"
_HEIGHT = 1.2 * COLUMN
_TICKS, _MARGIN = 44, 6
"""Points that the y axis' ticks and label take from the width of the Axes, and that are left at the edges."""


def plot_scatter(
    runs: pd.DataFrame,
    ax: Axes | None = None,
    *,
    metric: str = "accuracy",
    final: str = "last",
    criterion: Criterion = ORACLE,
    table: pd.DataFrame | None = None,
    label: str | None = None,
) -> Axes:
    """Draw each combination's metric after retraining over its score, as in Figure 2 of paper 1.

    A star marks the criterion's choice, the combination with the least score (the first of several); dashed guides run
    through it. Strictly better combinations are vermillion triangles, the others green circles; combinations that a
    criterion picked (`picked_by`) are open markers and count nowhere. Thin bars run from the least to the greatest of a
    combination's repeats. Those that diverged are ticks at the edge where they would be; they count in the legend and
    in every number. Scores stand on a logarithmic axis where they pile up near 0 (`score_axis.pile_up`). The title has
    the agreement s with its 95 % interval, its noise ceiling and the permuted p.

    Args:
        runs: The runs of one study, or its rows of `combinations_table`; accuracies are fractions, drawn in percent.
        ax: Where to draw; None makes Axes that a notebook shows.
        metric: "accuracy" (higher is better) or "loss" (lower is better).
        final: "last" (after the last epoch) or "best" (at the epoch with the best test accuracy).
        criterion: Whose score is drawn; rows of `combinations_table` must be those of the same.
        table: Rows of `correlate` that have the study's; None computes them of runs, and leaves s out where rows of
            `combinations_table` are given, which do not say how combinations were chosen.
        label: What the study is called in the title; None calls it by its name.

    Returns:
        The Axes.

    Raises:
        ValueError: If metric or final is another word, or runs hold several studies or lack the metric.
    """
    combos = combinations_of(runs, metric, final, criterion)
    if len(studies := sorted(runs["study"].unique())) > 1:
        raise ValueError(
            f"plot_scatter must get one study; got {len(studies)}: select one, as in "
            f'runs[runs["study"] == "{studies[0]}"], or use plot_scatter_grid'
        )
    rows = judged_rows(runs, table, metric, final, criterion)
    unpicked = combos[combos["picked_by"].isna()]
    with given_or_new(ax, COLUMN, _HEIGHT) as ax:
        draw_combinations(ax, unpicked, metric, criterion)
        for i, (name, picks) in enumerate(combos.dropna(subset="picked_by").groupby("picked_by")):
            x, y = picks["score"][picks["drawn"]], picks["y"][picks["drawn"]]
            ax.plot(x, y, _PICKS[i % len(_PICKS)], mfc="none", mec="black", ms=6, zorder=5, label=f"pick of {name}")
            draw_rug(ax, picks["score"], picks["y"])
        if (combos["high"] > combos["low"]).any():
            ax.plot([], [], ls="", marker="|", ms=7, mew=0.5, color="0.3", label=SPREAD)
        if diverged := int((~combos["drawn"]).sum()):
            ax.plot([], [], ls="", marker="|", ms=5, mew=0.9, color="black", label=f"{diverged} diverged, at the edge")
        logarithmic = pile_up(combos["score"])
        ax.set_xlabel(f"{criterion.score}{' (log scale)' if logarithmic else ''}")
        ax.set_ylabel(axis_label(final, metric))
        width = figure_width(ax) - _MARGIN
        name = (label or "".join(studies)).replace("$", r"\$")
        said = [judged(rows[study]) for study in studies if study in rows]
        said.append([*_counts(unpicked), *tau_and_p(unpicked["score"], unpicked["y"])])
        set_title(ax, [line for words in ([name], *said) for line in fitted(words, width)], width - _TICKS)
        ax.ticklabel_format(axis="y", useOffset=False)
        scale_scores(ax, logarithmic=logarithmic)
        ax.spines[["top", "right"]].set_visible(False)
        if ax.get_legend_handles_labels()[0]:
            # Below the axis label, where it never covers a point; the pad is in units of the font size.
            ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=4.2, handletextpad=0.2, frameon=False)
    return ax


def save_scatter(combos: pd.DataFrame, stem: Path, **asked: Any) -> list[Path]:
    """Write the scatter one column wide; see `plot_scatter` and `print_style.save_figure`."""
    return save_figure(lambda ax: plot_scatter(combos, ax, **asked), stem, COLUMN, _HEIGHT)


def _counts(combos: pd.DataFrame) -> list[str]:
    k = combos["k"]
    repeats = f"{k.min()}–{k.max()}" if k.nunique() > 1 else f"{k.max() if len(k) else 0}"
    return [f"$n$ = {len(combos)}", f"$k$ = {repeats}"]
