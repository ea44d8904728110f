"""The scatter of paper 1's Figures 2 to 5: a criterion's score against what retraining made of it.

Drawing only: every number comes from `correlation`.
"""

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from oraclecheck.analysis.criterion import ORACLE, Criterion
from oraclecheck.analysis.figures.points import axis_label, combinations_of, tau_and_p
from oraclecheck.analysis.figures.print_style import BETTER, COLUMN, NOT_BETTER, given_or_new, save_figure
from oraclecheck.analysis.metrics import HIGHER_IS_BETTER

_PICKS = "sDvPX"


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
    if len(studies := sorted(runs["study"].unique())) > 1:
        raise ValueError(
            f"plot_scatter must get one study; got {len(studies)}: select one, as in "
            f'runs[runs["study"] == "{studies[0]}"], or use plot_scatter_grid'
        )
    unpicked = combos[combos["picked_by"].isna()]
    k = unpicked["k"]
    repeats = f"{k.min()}–{k.max()}" if k.nunique() > 1 else f"{k.max() if len(k) else 0}"
    with given_or_new(ax, COLUMN, COLUMN) as ax:
        draw_combinations(ax, unpicked, metric, criterion)
        for i, (name, picks) in enumerate(combos.dropna(subset="picked_by").groupby("picked_by")):
            x, y = picks["score"][picks["drawn"]], picks["y"][picks["drawn"]]
            ax.plot(x, y, _PICKS[i % len(_PICKS)], mfc="none", mec="black", ms=6, zorder=5, label=f"pick of {name}")
        if hidden := int((~combos["drawn"]).sum()):
            ax.plot([], [], " ", label=f"{hidden} not drawn (diverged)")
        ax.set_xlabel(criterion.score)
        ax.set_ylabel(axis_label(final, metric))
        counts = [f"$n$ = {len(unpicked)}", f"$k$ = {repeats}"]
        ax.set_title(", ".join([*counts, *tau_and_p(unpicked["score"], unpicked["y"])]))
        ax.ticklabel_format(useOffset=False)
        ax.spines[["top", "right"]].set_visible(False)
        if ax.get_legend_handles_labels()[0]:
            # Below the axis label, where it never covers a point; the pad is in units of the font size.
            ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=4.2, handletextpad=0.2, frameon=False)
    return ax


def save_scatter(combos: pd.DataFrame, stem: Path, **asked: Any) -> list[Path]:
    """Write the scatter one column wide; see `plot_scatter` and `print_style.save_figure`."""
    return save_figure(lambda ax: plot_scatter(combos, ax, **asked), stem, COLUMN, COLUMN)


def draw_combinations(
    ax: Axes, combos: pd.DataFrame, metric: str, criterion: Criterion, size: float | None = None
) -> None:
    """Draw combinations of `combinations_of` that no criterion picked."""
    if combos.empty:
        return
    score, y, drawn = combos["score"], combos["y"], combos["drawn"]
    choice = score.index == score.idxmin()
    better = y > y[choice].iloc[0] if HIGHER_IS_BETTER[metric] else y < y[choice].iloc[0]
    least = int((score == score.min()).sum())
    words = f"first of {least} with the least {criterion.score}" if least > 1 else f"least {criterion.score}"
    for guide, at in ((ax.axvline, score), (ax.axhline, y)):
        for position in at[choice & drawn]:
            guide(position, color="0.4", linewidth=0.8, linestyle="--", zorder=0)
    star: Any = {"s": 45 if size else 90, "c": "black", "marker": "*", "edgecolors": "white", "linewidths": 0.6}
    ax.scatter(score[choice & drawn], y[choice & drawn], zorder=6, label=f"{criterion.pick} ({words})", **star)
    size = size or (14 if len(score) <= 300 else 6)
    groups = ((better, BETTER, f"better than the {criterion.pick}"), (~better & ~choice, NOT_BETTER, "not better"))
    for group, (color, marker), words in groups:
        label = f"{words} ({group.sum()} of {len(score)}, {100 * group.mean():.1f} %)"
        x = score[group & drawn]
        ax.scatter(x, y[group & drawn], s=size, c=color, marker=marker, linewidths=0, alpha=0.9, label=label)
