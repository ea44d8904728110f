"""Agreement of many studies at a glance, and over the complexity of their networks.

Drawing only: every number comes from `tables.correlate` and `networks.across_networks`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from oraclecheck.analysis.criterion import ORACLE
from oraclecheck.analysis.figures.print_style import (
    COLUMN,
    FULL,
    VERDICTS,
    axes_or_new,
    notebook_figure,
    save_figure,
)
from oraclecheck.analysis.metrics import metric_name
from oraclecheck.analysis.statistics.correlation import VALID_AGREEMENT
from oraclecheck.analysis.words import describe, in_reading_order, study_labels, varying

ROW_HEIGHT = 0.17
"""Inches of a study in a forest plot: seven-point type and a gap."""

_MEAN = "D"


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
    rows = _rows(table, metric)
    means = pd.DataFrame() if networks is None else networks
    means = means[means["metric"] == metric] if len(means) else means
    labels = study_labels(rows)
    rows = in_reading_order(rows)
    everything = pd.concat([rows, means], ignore_index=True)
    with axes_or_new(ax, width=COLUMN, height=forest_height(len(everything))) as ax:
        for y, (_, row) in enumerate(everything.iterrows()):
            is_mean = y >= len(rows)
            _draw_agreement(ax, row, y, marker=_MEAN if is_mean else None, horizontal=True)
            text = f"{row['networks']:.0f} networks" if is_mean else f"{row['n']:.0f}, {row['k']:.0f}"
            ax.text(1.02, y, text, transform=ax.get_yaxis_transform(), va="center", size=7)
        names = [labels[study] for study in rows["study"]] + [
            f"mean: {_mean_label(row, rows)}" for _, row in means.iterrows()
        ]
        ax.set_yticks(range(len(everything)), names)
        ax.set_ylim(len(everything) - 0.4, -0.6)
        _draw_threshold(ax.axvline)
        ax.set_xlim(_least(everything) - 0.05, 1.02)
        ax.tick_params(axis="y", length=0)
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.set_xlabel(f"{_agreement_label(rows)} with {metric_name(rows['final'].iloc[0], metric)}")
        ax.text(1.02, -0.75, "$n$, $k$", transform=ax.get_yaxis_transform(), va="bottom", size=7)
        _legend(ax, everything)
    return ax


def plot_complexity(table: pd.DataFrame, axes: Sequence[Axes] | None = None, *, metric: str = "accuracy") -> list[Axes]:
    """Draw agreement and anomaly ratio against the network's size, as paper 1 asks in Figures 4 and 5.

    Left: agreement with its interval, its noise ceiling and 0.2, as in `plot_forest`. Right: the anomaly ratio with its
    interval. Several studies of one network stand side by side.

    Args:
        table: Rows of `correlate`. Networks stand in the order of the column `dense_params` if there is one (and are
            labelled with it), else in that of the rows.
        axes: Two Axes; None makes a figure that a notebook shows.
        metric: "accuracy" or "loss".

    Returns:
        The two Axes.

    Raises:
        ValueError: If no row has that metric.
    """
    if axes is None:
        with notebook_figure(FULL, FULL / 2.6) as figure:
            return plot_complexity(table, list(figure.subplots(1, 2)), metric=metric)
    left, right = axes
    rows = _rows(table, metric)
    if "dense_params" in rows:
        rows = rows.sort_values("dense_params", kind="stable")
    models = list(dict.fromkeys(rows["model"]))
    for place, (_, studies) in enumerate(rows.groupby("model", sort=False)):
        spread = np.linspace(-1, 1, len(studies)) * min(0.3, 0.06 * (len(studies) - 1))
        for x, (_, row) in zip(place + spread, studies.iterrows(), strict=True):
            _draw_agreement(left, row, x, horizontal=False)
            _draw_anomalies(right, row, x)
    _draw_threshold(left.axhline)
    left.set_ylim(_least(rows) - 0.05, 1.02)
    left.set_ylabel(_agreement_label(rows))
    right.set_ylim(bottom=0)
    right.set_ylabel("anomaly ratio (%)")
    labels = _model_labels(models, rows)
    for ax in (left, right):
        ax.set_title(metric_name(rows["final"].iloc[0], metric))
        ax.set_xticks(range(len(models)), labels)
        ax.set_xlim(-0.5, len(models) - 0.5)
        ax.set_xlabel("network (parameters)" if "dense_params" in rows else "network")
        ax.spines[["top", "right"]].set_visible(False)
    figure = left.figure.get_figure(root=True)
    assert figure is not None  # Axes belong to one
    figure.legend(handles=_keys(rows), loc="outside lower center", ncols=5, frameon=False, handletextpad=0.3)
    return [left, right]


def forest_height(rows: int) -> float:
    """Inches that a forest plot of so many rows needs."""
    return 0.95 + ROW_HEIGHT * rows


def save_forest(table: pd.DataFrame, networks: pd.DataFrame, stem: Path, *, metric: str) -> list[Path]:
    """Write the forest plot; see `plot_forest` and `print_style.save_figure`."""
    rows = int((table["metric"] == metric).sum()) + (int((networks["metric"] == metric).sum()) if len(networks) else 0)
    return save_figure(
        lambda figure: plot_forest(table, figure.subplots(), networks=networks, metric=metric),
        stem,
        width=FULL,
        height=forest_height(rows),
    )


def save_complexity(table: pd.DataFrame, stem: Path, *, metric: str) -> list[Path]:
    """Write the two panels over both columns; see `plot_complexity` and `print_style.save_figure`."""
    return save_figure(
        lambda figure: plot_complexity(table, list(figure.subplots(1, 2)), metric=metric),
        stem,
        width=FULL,
        height=FULL / 2.6,
    )


def _rows(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    rows = table[table["metric"] == metric]
    if rows.empty:
        raise ValueError(f"metric must be one of the table's, {', '.join(table['metric'].unique())}; got {metric}")
    return rows


def _draw_agreement(ax: Axes, row: pd.Series, at: float, *, horizontal: bool, marker: str | None = None) -> None:
    """One agreement: interval, marker, and the way up to the ceiling."""
    s = row["agreement"]
    if pd.isna(s):
        return
    color, shape = VERDICTS[row["verdict"]]

    def line(along: list[float], across: list[float], **looks: object) -> None:
        ax.plot(*((along, across) if horizontal else (across, along)), **looks)  # type: ignore[arg-type]

    low, high, ceiling = row["agreement_low"], row["agreement_high"], row.get("ceiling", np.nan)
    if not pd.isna(ceiling):
        line([s, ceiling], [at, at], ls=":", lw=0.9, color="0.5", zorder=1)
        line([ceiling], [at], ls="", marker="|" if horizontal else "_", ms=7, mew=1, color="0.3", zorder=2)
    if not pd.isna(low):
        line([low, high], [at, at], lw=1.3, color=color, solid_capstyle="butt", zorder=3)
    line([s], [at], ls="", marker=marker or shape, ms=4.5, color=color, mec="white", mew=0.4, zorder=4)


def _draw_anomalies(ax: Axes, row: pd.Series, at: float) -> None:
    color, shape = VERDICTS[row["verdict"]]
    low, ratio, high = (100 * row[name] for name in ("anomaly_low", "anomaly_ratio", "anomaly_high"))
    # Many are exactly 0, on the axis, where half a marker would be cut off.
    looks: dict[str, Any] = {"color": color, "clip_on": False}
    if not pd.isna(low):
        ax.plot([at, at], [low, high], lw=1.3, solid_capstyle="butt", zorder=3, **looks)
    if not pd.isna(ratio):
        ax.plot([at], [ratio], ls="", marker=shape, ms=4.5, mec="white", mew=0.4, zorder=4, **looks)


def _least(rows: pd.DataFrame) -> float:
    """The least agreement or bound that is drawn, at most 0."""
    return float(np.nanmin([0.0, *rows["agreement"].to_numpy(float), *rows["agreement_low"].to_numpy(float)]))


def _draw_threshold(line: Callable[..., object]) -> None:
    line(VALID_AGREEMENT, color="0.3", linewidth=0.8, linestyle="--", zorder=0)


def _agreement_label(rows: pd.DataFrame) -> str:
    """What an axis with agreements says; whose they are, unless the oracle's."""
    names = list(rows["criterion"].unique())
    return "agreement $s$" if names == [ORACLE.name] else f"agreement $s$ of {', '.join(names)}"


def _legend(ax: Axes, rows: pd.DataFrame) -> None:
    ax.legend(
        handles=_keys(rows),
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        borderaxespad=4.2,
        ncols=5,
        frameon=False,
        handletextpad=0.3,
        columnspacing=1.2,
    )


def _keys(rows: pd.DataFrame) -> list[Line2D]:
    """What the markers and lines that are drawn mean."""
    there = [verdict for verdict in VERDICTS if (rows["verdict"] == verdict).any()]
    keys = [Line2D([], [], color=VERDICTS[v][0], marker=VERDICTS[v][1], ms=4.5, ls="", label=v) for v in there]
    if "ceiling" in rows and rows["ceiling"].notna().any():
        keys.append(Line2D([], [], color="0.4", ls=":", marker="|", ms=7, markevery=[1], label="to the noise ceiling"))
    return [*keys, Line2D([], [], color="0.3", lw=0.8, ls="--", label=f"{VALID_AGREEMENT} (Def. 3.1)")]


def _mean_label(row: pd.Series, rows: pd.DataFrame) -> str:
    return describe(row, [name for name in varying(rows) if name in row and name != "pretrain_seed"]) or "all"


def _model_labels(models: list[str], rows: pd.DataFrame) -> list[str]:
    """Variants without the name of the network they vary, and how many parameters they have."""
    shortest = min(models, key=len)
    is_stem = len(models) > 1 and all(model == shortest or model.startswith(f"{shortest}_") for model in models)
    labels = [model.removeprefix(f"{shortest}_") for model in models] if is_stem else models
    if "dense_params" not in rows:
        return labels
    sizes = rows.drop_duplicates("model").set_index("model")["dense_params"]
    return [f"{label}\n{sizes[model]:,.0f}" for label, model in zip(labels, models, strict=True)]
