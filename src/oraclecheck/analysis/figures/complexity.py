"""Agreement and anomaly ratio over the complexity of the networks, as paper 1 asks in Figures 4 and 5."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from oraclecheck.analysis.figures.agreement import agreement_axis, draw_agreement, legend_keys, rows_of
from oraclecheck.analysis.figures.lettering import columns_that_fit, figure_width, fitted
from oraclecheck.analysis.figures.print_style import FULL, VERDICTS, given_or_new, save_figure
from oraclecheck.analysis.metrics import metric_name

_HEIGHT = FULL / 2.6
_AXES = 0.42
"""The share of the figure's width that each of the two Axes has."""


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
    rows = rows_of(table, metric)
    if "dense_params" in rows:
        rows = rows.sort_values("dense_params", kind="stable")
    models = list(dict.fromkeys(rows["model"]))
    with given_or_new(axes, FULL, _HEIGHT, 1, 2) as (left, right):
        for place, (_, studies) in enumerate(rows.groupby("model", sort=False)):
            spread = np.linspace(-1, 1, len(studies)) * min(0.3, 0.06 * (len(studies) - 1))
            for x, (_, row) in zip(place + spread, studies.iterrows(), strict=True):
                draw_agreement(left, row, x, horizontal=False)
                _draw_anomalies(right, row, x)
        agreement_axis(left, rows, horizontal=False)
        right.set_ylim(bottom=0)
        right.set_ylabel("anomaly ratio (%)")
        labels = _model_labels(models, rows, figure_width(left) * _AXES / len(models))
        for ax in (left, right):
            ax.set_title(metric_name(rows["final"].iloc[0], metric))
            ax.set_xticks(range(len(models)), labels)
            ax.set_xlim(-0.5, len(models) - 0.5)
            ax.set_xlabel("network (parameters)" if "dense_params" in rows else "network")
            ax.spines[["top", "right"]].set_visible(False)
        figure = left.figure.get_figure(root=True)
        keys = legend_keys(rows)
        across = columns_that_fit(left, [str(key.get_label()) for key in keys])
        figure.legend(handles=keys, loc="outside lower center", ncols=across, frameon=False, handletextpad=0.6)
    return [left, right]


def save_complexity(table: pd.DataFrame, stem: Path, *, metric: str) -> list[Path]:
    """Write the two panels over both columns; see `plot_complexity` and `print_style.save_figure`."""
    return save_figure(lambda axes: plot_complexity(table, axes, metric=metric), stem, FULL, _HEIGHT, 1, 2)


def _draw_anomalies(ax: Axes, row: pd.Series, at: float) -> None:
    color, shape = VERDICTS[row["verdict"]]
    low, ratio, high = (100 * row[name] for name in ("anomaly_low", "anomaly_ratio", "anomaly_high"))
    # Many are exactly 0, on the axis, where half a marker would be cut off.
    looks: dict[str, Any] = {"color": color, "clip_on": False}
    if not pd.isna(low):
        ax.plot([at, at], [low, high], lw=1.3, solid_capstyle="butt", zorder=3, **looks)
    if not pd.isna(ratio):
        ax.plot([at], [ratio], ls="", marker=shape, ms=4.5, mec="white", mew=0.4, zorder=4, **looks)


def _model_labels(models: list[str], rows: pd.DataFrame, width: float) -> list[str]:
    """Variants without the name of the network they vary, and how many parameters they have, in lines of a width."""
    shortest = min(models, key=len)
    is_stem = len(models) > 1 and all(model == shortest or model.startswith(f"{shortest}_") for model in models)
    labels = [model.removeprefix(f"{shortest}_") for model in models] if is_stem else models
    labels = ["\n".join(fitted([label.replace("$", r"\$")], width)) for label in labels]
    if "dense_params" not in rows:
        return labels
    sizes = rows.drop_duplicates("model").set_index("model")["dense_params"]
    return [f"{label}\n{sizes[model]:,.0f}" for label, model in zip(labels, models, strict=True)]
