"""Agreement of many studies at a glance."""

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from oraclecheck.analysis.figures.agreement import agreement_axis, draw_agreement, legend_keys, rows_of
from oraclecheck.analysis.figures.print_style import COLUMN, FULL, given_or_new, save_figure
from oraclecheck.analysis.metrics import metric_name
from oraclecheck.analysis.words import describe, in_reading_order, study_labels, varying

_ROW_HEIGHT = 0.17
"""Inches of a study in a forest plot: seven-point type and a gap."""


def plot_forest(
    table: pd.DataFrame, ax: Axes | None = None, *, networks: pd.DataFrame | None = None, metric: str = "accuracy"
) -> Axes:
    """Draw the agreement of every study with its interval, its noise ceiling and the verdict, one row a study.

    Bars are 95 % intervals; a study without one has none. A dotted line runs from s to the noise ceiling: what a
    perfect predictor would have reached. The dashed line is 0.2. Marker and colour are the verdict; diamonds are
    means over dense networks.

    Args:
        table: Rows of `correlate`; those of the metric are drawn, single layers first, then by ratio.
        ax: Where to draw; None makes Axes that a notebook shows.
        networks: Rows of `across_networks`, drawn below.
        metric: "accuracy" or "loss".

    Returns:
        The Axes.

    Raises:
        ValueError: If no row has that metric.
    """
    rows = rows_of(table, metric)
    means = pd.DataFrame() if networks is None or networks.empty else networks[networks["metric"] == metric]
    labels = study_labels(rows)
    same = [name for name in varying(rows) if name in means and name != "pretrain_seed"]
    rows = in_reading_order(rows)
    everything = pd.concat([rows, means], ignore_index=True)
    with given_or_new(ax, COLUMN, _height(len(everything))) as ax:
        for y, (_, row) in enumerate(everything.iterrows()):
            is_mean = y >= len(rows)
            draw_agreement(ax, row, y, marker="D" if is_mean else None, horizontal=True)
            text = f"{row['networks']:.0f} networks" if is_mean else f"{row['n']:.0f}, {row['k']:.0f}"
            ax.text(1.02, y, text, transform=ax.get_yaxis_transform(), va="center", size=7)
        names = [labels[study] for study in rows["study"]]
        names += [f"mean: {describe(row, same) or 'all'}" for _, row in means.iterrows()]
        ax.set_yticks(range(len(everything)), names)
        ax.set_ylim(len(everything) - 0.4, -0.6)
        agreement_axis(ax, everything, horizontal=True)
        ax.tick_params(axis="y", length=0)
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.set_xlabel(f"{ax.get_xlabel()} with {metric_name(rows['final'].iloc[0], metric)}")
        ax.text(1.02, -0.75, "$n$, $k$", transform=ax.get_yaxis_transform(), va="bottom", size=7)
        below: Any = {"loc": "upper center", "bbox_to_anchor": (0.5, 0), "borderaxespad": 4.2, "columnspacing": 1.2}
        ax.legend(handles=legend_keys(everything), ncols=5, frameon=False, handletextpad=0.3, **below)
    return ax


def save_forest(table: pd.DataFrame, networks: pd.DataFrame, stem: Path, *, metric: str) -> list[Path]:
    """Write the forest plot; see `plot_forest` and `print_style.save_figure`."""
    rows = sum(int((drawn["metric"] == metric).sum()) for drawn in (table, networks) if len(drawn))
    return save_figure(lambda ax: plot_forest(table, ax, networks=networks, metric=metric), stem, FULL, _height(rows))


def _height(rows: int) -> float:
    return 0.95 + _ROW_HEIGHT * rows
