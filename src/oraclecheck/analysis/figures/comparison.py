"""Two studies of the same combinations against each other, as in paper 1's Figure A6.

Drawing only, but for the tau between the two in the title.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from oraclecheck.analysis.criterion import ORACLE, Criterion
from oraclecheck.analysis.figures.combinations import draw_rug
from oraclecheck.analysis.figures.lettering import figure_width, fitted, set_title
from oraclecheck.analysis.figures.points import axis_label, combinations_of, tau_and_p
from oraclecheck.analysis.figures.print_style import COLUMN, given_or_new, save_figure
from oraclecheck.analysis.pairing import paired
from oraclecheck.analysis.words import study_labels
from oraclecheck.records.combination_key import combination_keys

_LABEL, _TICKS = 8, 48
"""Points: the type of the axes' labels, and what ticks and labels take from the width of the Axes."""


def plot_comparison(
    runs: pd.DataFrame,
    ax: Axes | None = None,
    *,
    metric: str = "accuracy",
    final: str = "last",
    criterion: Criterion = ORACLE,
) -> Axes:
    """Draw the final metric of one study against another's, combination by combination, as paper 1's Figure A6.

    There it is 10 % against 100 % of the retraining; any two studies of the same combinations can be compared. tau in
    the title is between the two metrics: 1 if both rank the combinations alike. Combinations that diverged in either
    are ticks at the edge.

    Args:
        runs: The runs of two studies of the same network, layers and ratios. The one with less retraining, else the
            first, is on the x axis.
        ax: Where to draw; None makes Axes that a notebook shows.
        metric: "accuracy" or "loss".
        final: "last" or "best".
        criterion: Whose score the runs are checked for; no score is drawn.

    Returns:
        The Axes.

    Raises:
        ValueError: If there are not two studies, or they share no combination; and as `pairing.paired`.
    """
    studies = list(dict.fromkeys(runs["study"]))
    if len(studies) != 2:
        raise ValueError(f"plot_comparison must get two studies; got {len(studies)}: select two by the column study")
    combos = combinations_of(runs, metric, final, criterion)
    fractions = runs.drop_duplicates("study").set_index("study").get("retrain_fraction", pd.Series(dtype=float))
    studies.sort(key=lambda study: fractions.get(study, 0))
    sides = [combos[combos["picked_by"].isna() & (combos["study"] == study)] for study in studies]
    records = [runs[runs["study"] == study] for study in studies]
    shared = paired(records[0], combination_keys(sides[0]), records[1], combination_keys(sides[1]))
    if not shared:
        raise ValueError(
            f"plot_comparison must get two studies of the same combinations; {' and '.join(studies)} share none"
        )
    rows = zip(*shared, strict=True)
    xs, ys = (side["y"].to_numpy()[list(places)] for side, places in zip(sides, rows, strict=True))
    labels = study_labels(runs)
    with given_or_new(ax, COLUMN, COLUMN) as ax:
        drawn = np.isfinite(xs) & np.isfinite(ys)
        ax.scatter(xs[drawn], ys[drawn], s=14 if len(shared) <= 300 else 6, c="#0072B2", linewidths=0, alpha=0.8)
        if max(xs[drawn].min(), ys[drawn].min()) < min(xs[drawn].max(), ys[drawn].max()):
            ax.axline((xs[drawn][0],) * 2, slope=1, color="0.6", linewidth=0.8, linestyle=":", zorder=0, label="equal")
            ax.legend(frameon=False)
        title = [f"$n$ = {len(shared)}", *tau_and_p(xs, ys)]
        if diverged := draw_rug(ax, xs, ys):
            title.append(f"{diverged} diverged, at the edge")
        width = figure_width(ax) - _TICKS
        set_title(ax, fitted(title, width), width)
        for name, study in (("xlabel", studies[0]), ("ylabel", studies[1])):
            said = [axis_label(final, metric), *labels[study].replace("$", r"\$").split(", ")]
            ax.set(**{name: "\n".join(fitted(said, width, _LABEL))})
        ax.ticklabel_format(useOffset=False)
        ax.spines[["top", "right"]].set_visible(False)
    return ax


def save_comparison(runs: pd.DataFrame, stem: Path, **asked: Any) -> list[Path]:
    """Write the comparison one column wide; see `plot_comparison` and `print_style.save_figure`."""
    return save_figure(lambda ax: plot_comparison(runs, ax, **asked), stem, COLUMN, COLUMN)
