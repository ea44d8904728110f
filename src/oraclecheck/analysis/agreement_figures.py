"""Agreement of many studies at a glance, over the complexity of their networks, and two studies against each other.

Drawing only: numbers come from `tables.correlate`, but for the tau in the title of `plot_comparison`.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from oraclecheck.analysis.correlation import VALID_AGREEMENT, kendall
from oraclecheck.analysis.figures import axis_label, combinations_of, study_labels
from oraclecheck.analysis.identity import describe, in_reading_order, varying
from oraclecheck.analysis.layouts import metric_name
from oraclecheck.analysis.print_style import (
    COLUMN,
    FULL,
    VERDICTS,
    axes_or_new,
    minus,
    notebook_figure,
    save_figure,
    scientific,
)
from oraclecheck.analysis.rounding import decimal
from oraclecheck.analysis.tables import FINALS

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
        ax.set_xlabel(f"agreement $s$ with {metric_name(rows['final'].iloc[0], metric)}")
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
    left.set_ylabel("agreement $s$")
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


def plot_comparison(
    runs: pd.DataFrame, ax: Axes | None = None, *, metric: str = "accuracy", final: str = "last"
) -> Axes:
    """Draw the final metric of one study against another's, combination by combination, as paper 1's Figure A6.

    There it is 10 % against 100 % of the retraining; any two studies of the same combinations can be compared. tau in
    the title is between the two metrics: 1 if both rank the combinations alike.

    Args:
        runs: The runs of two studies of the same network, layers and ratios. The one with less retraining, else the
            first, is on the x axis.
        ax: Where to draw; None makes Axes that a notebook shows.
        metric: "accuracy" or "loss".
        final: "last" or "best".

    Returns:
        The Axes.

    Raises:
        ValueError: If there are not two studies, or they share no combination.
    """
    studies = list(dict.fromkeys(runs["study"]))
    if len(studies) != 2:
        raise ValueError(f"plot_comparison must get two studies; got {len(studies)}: select two by the column study")
    combos = combinations_of(runs, metric, final)
    fractions = runs.drop_duplicates("study").set_index("study").get("retrain_fraction", pd.Series(dtype=float))
    studies.sort(key=lambda study: fractions.get(study, 0))
    column = f"{FINALS[final]}_test_{metric}"
    combos = combos[(combos["k"] > 0) & combos["picked_by"].isna()]
    x, y = (_by_removed(combos[combos["study"] == study], column) for study in studies)
    shared = [key for key in x if key in y]
    if not shared:
        raise ValueError(
            f"plot_comparison must get two studies of the same combinations; {' and '.join(studies)} share none"
        )
    unit = 100 if metric == "accuracy" else 1
    xs, ys = (unit * np.array([side[key] for key in shared]) for side in (x, y))
    labels = study_labels(runs)
    with axes_or_new(ax, width=COLUMN, height=COLUMN) as ax:
        drawn = np.isfinite(xs) & np.isfinite(ys)
        ax.scatter(xs[drawn], ys[drawn], s=14 if len(shared) <= 300 else 6, c="#0072B2", linewidths=0, alpha=0.8)
        if max(xs[drawn].min(), ys[drawn].min()) < min(xs[drawn].max(), ys[drawn].max()):
            ax.axline((xs[drawn][0],) * 2, slope=1, color="0.6", linewidth=0.8, linestyle=":", zorder=0, label="equal")
            ax.legend(frameon=False)
        title = [f"$n$ = {len(shared)}"]
        if len(shared) > 1 and not np.isnan((result := kendall(xs, ys))[0]):
            title += [f"$\\tau$ = {minus(decimal(result[0]))}", f"$p$ = {scientific(result[1])}"]
        if hidden := int((~drawn).sum()):
            title.append(f"{hidden} not drawn (diverged)")
        ax.set_title(", ".join(title))
        ax.set_xlabel(f"{axis_label(final, metric)}, {labels[studies[0]]}")
        ax.set_ylabel(f"{axis_label(final, metric)}, {labels[studies[1]]}")
        ax.ticklabel_format(useOffset=False)
        ax.spines[["top", "right"]].set_visible(False)
    return ax


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


def save_comparison(runs: pd.DataFrame, stem: Path, *, metric: str, final: str) -> list[Path]:
    """Write the comparison one column wide; see `plot_comparison` and `print_style.save_figure`."""
    return save_figure(
        lambda figure: plot_comparison(runs, figure.subplots(), metric=metric, final=final),
        stem,
        width=COLUMN,
        height=COLUMN,
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


def _by_removed(combos: pd.DataFrame, column: str) -> dict[str, float]:
    """Final metric by removed filters, or by number where a source does not say which filters were removed."""
    keys = [
        json.dumps(removed, sort_keys=True) if removed else str(combo)
        for removed, combo in zip(combos["removed"], combos["combo"], strict=True)
    ]
    return dict(zip(keys, combos[column], strict=True))
