"""How soon the metric tells how the retraining ends: a curve over the epochs.

Drawing only: every number comes from `analysis.partial_retraining` and `tables.correlate`.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from oraclecheck.analysis.figures.lettering import figure_width, fitted, set_title
from oraclecheck.analysis.figures.print_style import COLUMN, given_or_new, save_figure
from oraclecheck.analysis.metrics import metric_name
from oraclecheck.analysis.partial_retraining import SHARE, partial_epoch

_CURVE, _ORACLE = "#0072B2", "#D55E00"
_HEIGHT = 1.0 * COLUMN
_MARGIN = 44
"""Points that the y axis' ticks and label take."""


def plot_partial_retraining(
    partial: pd.DataFrame, means: pd.DataFrame, table: pd.DataFrame, ax: Axes | None = None, *, label: str | None = None
) -> Axes:
    """Draw the agreement of the metric after each epoch with the final one, beside the criterion's.

    Solid, with its 95 % band: tau-b between means over the repeats, for several dense networks their mean, thin lines
    being the single networks; it ends at 1. Dashed: with the end of another repeat, which shares no noise with it.
    Horizontal: the criterion's s, with its 95 % interval at the right. Dotted: 10 % of the epochs.

    Args:
        partial: Rows of `partial_retraining` of one setting and metric.
        means: Rows of `mean_partial_retraining` of the same, maybe none.
        table: The row of `correlate`, or of `across_networks` where there are means.
        ax: Where to draw; None makes Axes that a notebook shows.
        label: What the setting is called in the title; None for no title.

    Returns:
        The Axes.
    """
    first = partial.iloc[0]
    drawn = (means if len(means) else partial).sort_values("epoch")
    with given_or_new(ax, COLUMN, _HEIGHT) as ax:
        if len(means):
            for number, (_, study) in enumerate(partial.groupby("study", sort=False)):
                said = f"each of {partial['study'].nunique()} networks" if number == 0 else None
                ax.plot(study["epoch"], study["tau"], color=_CURVE, lw=0.5, alpha=0.6, label=said)
        count = f"mean of {drawn['networks'].iloc[0]} networks, 95 %" if len(means) else "the same retraining, 95 %"
        ax.fill_between(drawn["epoch"], drawn["tau_low"], drawn["tau_high"], color=_CURVE, alpha=0.18, lw=0)
        ax.plot(drawn["epoch"], drawn["tau"], color=_CURVE, lw=1.6, marker=".", ms=3.5, label=count)
        if drawn["tau_other"].notna().any():
            ax.plot(
                drawn["epoch"], drawn["tau_other"], color=_CURVE, lw=1.1, ls="--", label="with another repeat's end"
            )
        row, epochs = table.iloc[0], int(first["epochs"])
        ax.axhline(row["agreement"], color=_ORACLE, lw=1.2, label=f"{row['criterion']}, $s$")
        if not pd.isna(row["agreement_low"]):
            ends = [row["agreement_low"], row["agreement_high"]]
            ax.plot([epochs, epochs], ends, color=_ORACLE, lw=2.2, solid_capstyle="butt", zorder=3)
        ax.axvline(partial_epoch(epochs), color="0.4", lw=0.8, ls=":", label=f"{SHARE:.0%} of {epochs} epochs")
        shown = [*drawn[["tau", "tau_low", "tau_other"]].to_numpy(float).ravel(), *partial["tau"]]
        shown += [row["agreement"], row["agreement_low"]]
        ax.set_ylim(max(-1.02, np.nanmin([0.0, *shown]) - 0.05), 1.02)
        ax.set_xlim(min(0.6, 1 - 0.02 * epochs), epochs + 0.01 * epochs)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_xlabel("epochs of retraining")
        ax.set_ylabel(f"agreement with {metric_name(first['final'], first['metric'])}")
        ax.spines[["top", "right"]].set_visible(False)
        if label:
            width = figure_width(ax) - _MARGIN
            set_title(ax, fitted(label.replace("$", r"\$").split(", "), width), width)
        keys: Any = {"loc": "upper center", "bbox_to_anchor": (0.5, 0), "borderaxespad": 4.2, "frameon": False}
        ax.legend(**keys, ncols=2, handlelength=1.6, handletextpad=0.4, columnspacing=1.0)
    return ax


def save_partial_retraining(
    partial: pd.DataFrame, means: pd.DataFrame, table: pd.DataFrame, stem: Path, **asked: Any
) -> list[Path]:
    """Write the figure one column wide; see `plot_partial_retraining` and `print_style.save_figure`."""
    return save_figure(lambda ax: plot_partial_retraining(partial, means, table, ax, **asked), stem, COLUMN, _HEIGHT)
