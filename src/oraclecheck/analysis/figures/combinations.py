"""The combinations of a study as points: the criterion's choice, what is better, spreads of repeats, diverged runs."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from oraclecheck.analysis.criterion import Criterion
from oraclecheck.analysis.figures.print_style import BETTER, NOT_BETTER
from oraclecheck.analysis.metrics import HIGHER_IS_BETTER

SPREAD = "least to greatest of the repeats"

_EDGE = 0.018
"""Where the rug stands: this share of an axis away from its end."""

_MANY = 300
"""Combinations from which points are drawn smaller."""


def draw_combinations(
    ax: Axes, combos: pd.DataFrame, metric: str, criterion: Criterion, size: float | None = None
) -> None:
    """Draw combinations of `points.combinations_of` that no criterion picked; those that diverged go on a rug."""
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
    size = size or (14 if len(score) <= _MANY else 6)
    groups = ((better, BETTER, f"better than the {criterion.pick}"), (~better & ~choice, NOT_BETTER, "not better"))
    for group, (color, marker), words in groups:
        label = f"{words} ({group.sum()} of {len(score)}, {100 * group.mean():.1f} %)"
        x = score[group & drawn]
        ax.scatter(x, y[group & drawn], s=size, c=color, marker=marker, linewidths=0, alpha=0.9, label=label, zorder=3)
        _draw_spread(ax, combos[group & drawn], color)
    _draw_spread(ax, combos[choice & drawn], "black")
    draw_rug(ax, score, y)


def draw_rug(ax: Axes, x: ArrayLike, y: ArrayLike) -> int:
    """Mark points with an infinite coordinate by ticks at the edges of the Axes where they would be; gives their count.

    Such a point is a diverged run, which is an outcome, the worst there is.
    """
    at = [np.asarray(values, dtype=float) for values in (x, y)]
    infinite = [np.isinf(values) for values in at]
    kinds = [
        (~infinite[0] & infinite[1], "|", ax.get_xaxis_transform()),
        (infinite[0] & ~infinite[1], "_", ax.get_yaxis_transform()),
        (infinite[0] & infinite[1], "x", ax.transAxes),
    ]
    looks: Any = {"ls": "", "color": "black", "ms": 5, "mew": 0.9, "clip_on": False, "zorder": 5, "gid": "rug"}
    for there, marker, transform in kinds:
        if there.any():
            edges = [np.where(values > 0, 1 - _EDGE, _EDGE) for values in at]
            places = [np.where(np.isinf(v), edge, v)[there] for v, edge in zip(at, edges, strict=True)]
            ax.plot(*places, marker=marker, transform=transform, **looks)
    return int((infinite[0] | infinite[1]).sum())


def _draw_spread(ax: Axes, combos: pd.DataFrame, color: str) -> None:
    several = combos[combos["high"] > combos["low"]]
    if len(several):
        looks: Any = {"colors": color, "linewidths": 0.5, "alpha": 0.55, "zorder": 2}
        ax.vlines(several["score"], several["low"], several["high"], gid="spread", **looks)
