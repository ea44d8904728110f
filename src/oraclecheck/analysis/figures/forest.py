"""Agreement of many studies at a glance."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes

from oraclecheck.analysis.figures.agreement import agreement_axis, draw_agreement, legend_keys, rows_of
from oraclecheck.analysis.figures.columns import write_columns
from oraclecheck.analysis.figures.lettering import POINTS, SMALL, columns_that_fit, figure_width, fitted
from oraclecheck.analysis.figures.points import typographic
from oraclecheck.analysis.figures.print_style import FULL, given_or_new, save_figure
from oraclecheck.analysis.metrics import metric_name
from oraclecheck.analysis.networks import across_networks
from oraclecheck.analysis.rounding import agreement, p_value
from oraclecheck.analysis.words import describe, in_reading_order, short_names, study_labels, varying

_ROW_HEIGHT = 0.17
"""Inches of a row whose label is one line: seven-point type and a gap."""

_FURTHER = 0.7
"""What each further line of a label adds, in such rows."""

_LABELS = 0.3
"""The share of a figure's width that labels may take."""


class _Line(NamedTuple):
    """A row of the plot: of a study, or of the mean over the dense networks whose rows follow it."""

    row: pd.Series
    label: str
    is_mean: bool = False


def plot_forest(
    table: pd.DataFrame, ax: Axes | None = None, *, networks: pd.DataFrame | None = None, metric: str = "accuracy"
) -> Axes:
    """Draw the agreement of every study with its interval, its noise ceiling and the verdict, one row a study.

    Bars are 95 % intervals; a study without one has none. A dotted line runs from s to the noise ceiling: what a
    perfect predictor would have reached. The dashed line is 0.2. Marker and colour are the verdict. Several dense
    networks of one setting stand below their mean, a diamond with its interval over networks in a bold row.

    Args:
        table: Rows of `correlate`; those of the metric are drawn, single layers first, then by ratio.
        ax: Where to draw; None makes Axes that a notebook shows. The legend goes below, into the figure.
        networks: Rows of `across_networks`; None computes them.
        metric: "accuracy" or "loss".

    Returns:
        The Axes.

    Raises:
        ValueError: If no row has that metric.
    """
    lines = _lines(rows_of(table, metric), networks)
    everything = pd.DataFrame([line.row for line in lines])
    with given_or_new(ax, FULL, _height(lines)) as ax:
        labels = [_label(line, figure_width(ax)) for line in lines]
        y, places = -0.5, []
        for line, label in zip(lines, labels, strict=True):
            places.append(y + _rows(label) / 2)
            y += _rows(label)
            draw_agreement(ax, line.row, places[-1], is_mean=line.is_mean, horizontal=True)
        ax.set_yticks(places, ["\n".join(label) for label in labels])
        for tick, line in zip(ax.get_yticklabels(), lines, strict=True):
            tick.set(weight="bold" if line.is_mean else "normal", size=SMALL)
        ax.set_ylim(y + 0.1, -0.6)
        agreement_axis(ax, everything, horizontal=True)
        ax.tick_params(axis="y", length=0)
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.set_xlabel(f"{ax.get_xlabel()} with {metric_name(lines[0].row['final'], metric)}")
        _write_columns(ax, lines, places)
        keys = legend_keys(everything, has_means=any(line.is_mean for line in lines))
        across = columns_that_fit(ax, [str(key.get_label()) for key in keys])
        figure: Any = ax.get_figure(root=True)
        figure.legend(handles=keys, loc="outside lower center", ncols=across, frameon=False, handletextpad=0.6)
    return ax


def save_forest(table: pd.DataFrame, networks: pd.DataFrame, stem: Path, *, metric: str) -> list[Path]:
    """Write the forest plot; see `plot_forest` and `print_style.save_figure`."""
    height = _height(_lines(rows_of(table, metric), networks))
    return save_figure(lambda ax: plot_forest(table, ax, networks=networks, metric=metric), stem, FULL, height)


def _lines(rows: pd.DataFrame, networks: pd.DataFrame | None) -> list[_Line]:
    """Studies in reading order, those of one setting together under their mean."""
    means = across_networks(rows) if networks is None else networks
    means = means[means["metric"] == rows["metric"].iloc[0]] if len(means) else means
    of_study = {study: mean for _, mean in means.iterrows() for study in mean["studies"]}
    same = [name for name in varying(rows) if name != "pretrain_seed"]
    alone = study_labels(rows)
    ordered = in_reading_order(rows)
    lines: list[_Line] = []
    for study in ordered["study"]:
        mean = of_study.get(study)
        if mean is None:
            lines.append(_Line(ordered[ordered["study"] == study].iloc[0], alone[study]))
        elif not any(line.row is mean for line in lines):
            lines.append(_Line(mean, describe(mean, same) or "mean", is_mean=True))
            lines += _members(ordered[ordered["study"].isin(mean["studies"])])
    return lines


def _members(group: pd.DataFrame) -> Iterator[_Line]:
    names = [describe(row, ["pretrain_seed"]) for _, row in group.iterrows()]
    if len(set(names)) < len(names):
        names = short_names(group["study"])
    for (_, row), name in zip(group.iterrows(), names, strict=True):
        yield _Line(row, name)


def _label(line: _Line, figure: float) -> list[str]:
    weight, pieces = "bold" if line.is_mean else "normal", line.label.replace("$", r"\$").split(", ")
    return fitted(pieces, _LABELS * figure, SMALL, weight) or [""]


def _rows(label: list[str]) -> float:
    return 1 + _FURTHER * (len(label) - 1)


def _write_columns(ax: Axes, lines: list[_Line], places: list[float]) -> None:
    """The numbers to the right of the Axes, under their headings."""
    columns = {"$s$": [typographic(agreement(line.row["agreement"])) for line in lines]}
    p = [line.row.get("p_permutation") for line in lines]
    if not all(map(pd.isna, p)):
        columns["permuted $p$"] = ["" if pd.isna(value) else p_value(value, "mathtext") for value in p]
    counts = [
        f"{line.row['networks']:.0f} networks" if line.is_mean else f"{line.row['n']:.0f}, {line.row['k']:.0f}"
        for line in lines
    ]
    columns["$n$, $k$"] = counts
    write_columns(ax, columns, places, [line.is_mean for line in lines])


def _height(lines: list[_Line]) -> float:
    return 1.05 + _ROW_HEIGHT * sum(_rows(_label(line, POINTS * FULL)) for line in lines)
