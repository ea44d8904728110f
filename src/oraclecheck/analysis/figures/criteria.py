"""Criteria on one axis: how well each agrees with what retraining made of the same combinations.

Drawing only: every number comes from `analysis.criteria` and `networks.across_networks`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from oraclecheck.analysis.chance import RANDOM
from oraclecheck.analysis.criterion import ORACLE
from oraclecheck.analysis.figures.agreement import MEAN, rows_of
from oraclecheck.analysis.figures.columns import write_columns
from oraclecheck.analysis.figures.lettering import SMALL, columns_that_fit, figure_width, fitted, set_title
from oraclecheck.analysis.figures.points import typographic
from oraclecheck.analysis.figures.print_style import FULL, given_or_new, save_figure
from oraclecheck.analysis.metrics import metric_name
from oraclecheck.analysis.rounding import agreement, agreement_interval, decimal
from oraclecheck.analysis.statistics.correlation import VALID_AGREEMENT

_ROW_HEIGHT = 0.2
"""Inches of a criterion's row."""

_NETWORK = 0.22
"""How far below its row's middle, in rows, the marks of single networks stand."""

_INK, _FLOOR, _CEILING = "#0072B2", "#8C8C8C", "#D55E00"
"""Okabe and Ito's blue for criteria, grey for the one that knows nothing, vermillion for the ceiling."""


def plot_criteria(
    table: pd.DataFrame,
    ax: Axes | None = None,
    *,
    networks: pd.DataFrame | None = None,
    metric: str = "accuracy",
    label: str | None = None,
) -> Axes:
    """Draw the agreement of every criterion with its 95 % interval, the best on top, and the noise ceiling as a line.

    Of one study: what its interval is over, `correlate` says. Of several dense networks of one setting: a diamond is
    the mean with its interval over networks, small circles are the single networks; the ceiling is their mean, its band
    from the least to the greatest. `random` is grey, the oracle's name bold; the dashed line is 0.2 (Definition 3.1).

    Args:
        table: Rows of `analysis.criteria.judge` of one setting; those of the metric are drawn.
        ax: Where to draw; None makes Axes that a notebook shows. The legend goes below, into the figure.
        networks: The rows of `across_networks` of that setting; None or none for a single study.
        metric: "accuracy" or "loss".
        label: What the setting is called in the title; None for no title.

    Returns:
        The Axes.

    Raises:
        ValueError: If no row has that metric.
    """
    rows = rows_of(table, metric)
    means = networks[networks["metric"] == metric] if networks is not None and len(networks) else None
    shown = ordered(rows if means is None or means.empty else means)
    several = shown is not rows and "networks" in shown
    names = list(shown["criterion"])
    with given_or_new(ax, FULL, _height(len(names))) as ax:
        _draw_ceiling(ax, rows)
        ax.axvline(0, color="0.75", lw=0.8, zorder=0)
        ax.axvline(VALID_AGREEMENT, color="0.3", lw=0.8, ls="--", zorder=0)
        for at, (_, row) in enumerate(shown.iterrows()):
            _draw_criterion(ax, row, at, rows[rows["criterion"] == row["criterion"]] if several else None)
        ax.set_yticks(range(len(names)), names)
        for tick, name in zip(ax.get_yticklabels(), names, strict=True):
            tick.set(size=SMALL, weight="bold" if name == ORACLE.name else "normal")
            tick.set_color(_FLOOR if name == RANDOM else "black")
        ax.set_ylim(len(names) - 0.4, -0.6)
        drawn = [shown[["agreement", "agreement_low", "agreement_high"]], rows[["agreement"]], rows[["ceiling"]]]
        values = np.concatenate([part.to_numpy(float).ravel() for part in drawn])
        ax.set_xlim(np.nanmin([0.0, *values]) - 0.04, np.nanmax([VALID_AGREEMENT, *values]) + 0.04)
        ax.set_xlabel(f"agreement $s$ with {metric_name(rows['final'].iloc[0], metric)}")
        ax.tick_params(axis="y", length=0)
        ax.spines[["top", "right", "left"]].set_visible(False)
        columns = {"$s$": [typographic(agreement(value)) for value in shown["agreement"]]}
        ends = zip(shown["agreement_low"], shown["agreement_high"], strict=True)
        columns["95 %"] = [typographic(agreement_interval(low, high)) for low, high in ends]
        if "rank" in shown:
            columns["rank"] = [ranked(row) for _, row in shown.iterrows()]
        write_columns(ax, columns, list(range(len(names))), [name == ORACLE.name for name in names])
        if label:
            width = figure_width(ax)
            set_title(ax, fitted(label.replace("$", r"\$").split(", "), 0.9 * width), 0.55 * width)
        keys = _keys(shown, rows, several=several)
        across = columns_that_fit(ax, [str(key.get_label()) for key in keys])
        figure: Any = ax.get_figure(root=True)
        figure.legend(handles=keys, loc="outside lower center", ncols=across, frameon=False, handletextpad=0.6)
    return ax


def save_criteria(table: pd.DataFrame, stem: Path, *, metric: str, **asked: Any) -> list[Path]:
    """Write the figure of one setting; see `plot_criteria` and `print_style.save_figure`."""
    height = _height(rows_of(table, metric)["criterion"].nunique())
    return save_figure(lambda ax: plot_criteria(table, ax, metric=metric, **asked), stem, FULL, height)


def ordered(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of criteria by falling agreement, those without one last."""
    return rows.sort_values("agreement", ascending=False, na_position="last", kind="stable")


def ranked(row: pd.Series) -> str:
    """A rank and its interval, such as `2 (1-4)`; a dash where there is none."""
    rank, low, high = (row.get(name) for name in ("rank", "rank_low", "rank_high"))
    if rank is None or pd.isna(rank):
        return decimal(None)
    return f"{rank:.0f}" if pd.isna(low) else f"{rank:.0f} ({low:.0f}\N{EN DASH}{high:.0f})"


def _draw_ceiling(ax: Axes, rows: pd.DataFrame) -> None:
    studies = rows.drop_duplicates("study")
    studies = studies[studies["ceiling"].notna()]
    if studies.empty:
        return
    ends = ["ceiling_low", "ceiling_high"] if len(studies) == 1 else ["ceiling", "ceiling"]
    low, high = studies[ends[0]].min(), studies[ends[1]].max()
    if not pd.isna(low):
        ax.axvspan(low, high, color=_CEILING, alpha=0.12, lw=0, zorder=0)
    ax.axvline(float(studies["ceiling"].mean()), color=_CEILING, lw=1.2, ls=(0, (4, 1.5)), zorder=1)


def _draw_criterion(ax: Axes, row: pd.Series, at: int, networks: pd.DataFrame | None) -> None:
    color = _FLOOR if row["criterion"] == RANDOM else _INK
    if networks is not None:
        below = [at + _NETWORK] * len(networks)
        looks: Any = {"ls": "", "marker": "o", "ms": 2.6, "mfc": "none", "mec": color, "mew": 0.6, "zorder": 2}
        ax.plot(networks["agreement"], below, **looks)
    if pd.isna(row["agreement"]):
        return
    if not pd.isna(row["agreement_low"]):
        ends = [row["agreement_low"], row["agreement_high"]]
        ax.plot(ends, [at, at], lw=1.8, color=color, solid_capstyle="butt", zorder=3)
    marker, size = (MEAN, 5.5) if networks is not None else ("o", 4.5)
    ax.plot([row["agreement"]], [at], ls="", marker=marker, ms=size, color=color, mec="white", mew=0.4, zorder=4)


def _keys(shown: pd.DataFrame, rows: pd.DataFrame, *, several: bool) -> Sequence[Line2D]:
    if several:
        count = int(shown["networks"].max())
        said = "mean over dense networks" + (", 95 %" if shown["agreement_low"].notna().any() else "")
        keys = [Line2D([], [], color=_INK, marker=MEAN, ms=5.5, lw=1.8, label=said)]
        ring: Any = {"ls": "", "marker": "o", "ms": 2.6, "mfc": "none", "mec": _INK, "mew": 0.6}
        keys.append(Line2D([], [], label=f"each of {count} networks", **ring))
    else:
        keys = [Line2D([], [], color=_INK, marker="o", ms=4.5, lw=1.8, label="one dense network, 95 %")]
    if (shown["criterion"] == RANDOM).any():
        keys.append(Line2D([], [], color=_FLOOR, marker=MEAN if several else "o", ms=4.5, lw=1.8, label=RANDOM))
    if rows["ceiling"].notna().any():
        keys.append(Line2D([], [], color=_CEILING, lw=1.2, ls=(0, (4, 1.5)), label="noise ceiling"))
    return [*keys, Line2D([], [], color="0.3", lw=0.8, ls="--", label=f"{VALID_AGREEMENT} (Def. 3.1)")]


def _height(criteria: int) -> float:
    return 1.1 + _ROW_HEIGHT * criteria
