"""How the agreement of a study is drawn: its interval, its noise ceiling, and what the markers mean.

Drawing only: every number comes from `tables.correlate` and `networks.across_networks`.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from oraclecheck.analysis.criterion import ORACLE
from oraclecheck.analysis.figures.print_style import VERDICTS
from oraclecheck.analysis.statistics.correlation import VALID_AGREEMENT

MEAN = "D"
"""The marker of a mean over dense networks."""


def rows_of(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows of a metric.

    Raises:
        ValueError: If there is none.
    """
    rows = table[table["metric"] == metric]
    if rows.empty:
        raise ValueError(f"metric must be one of the table's, {', '.join(table['metric'].unique())}; got {metric}")
    return rows


def draw_agreement(ax: Axes, row: pd.Series, at: float, *, horizontal: bool, is_mean: bool = False) -> None:
    """One agreement: interval, marker, and the way up to the ceiling; a mean over networks is a bold diamond."""
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
        line([low, high], [at, at], lw=2.2 if is_mean else 1.3, color=color, solid_capstyle="butt", zorder=3)
    shape, size = (MEAN, 6.5) if is_mean else (shape, 4.5)
    line([s], [at], ls="", marker=shape, ms=size, color=color, mec="white", mew=0.4, zorder=4)


def agreement_axis(ax: Axes, rows: pd.DataFrame, *, horizontal: bool) -> None:
    """An axis with agreements: the threshold of Definition 3.1, the limits, and whose they are, unless the oracle's."""
    names = list(rows["criterion"].unique())
    label = "agreement $s$" if names == [ORACLE.name] else f"agreement $s$ of {', '.join(names)}"
    shown = rows[["agreement", "agreement_low", "agreement_high"]].to_numpy(float)
    # A t-interval over few networks may reach beyond 1.
    least, greatest = float(np.nanmin([0.0, *shown.flat])), float(np.nanmax([1.0, *shown.flat]))
    line = ax.axvline if horizontal else ax.axhline
    line(VALID_AGREEMENT, color="0.3", linewidth=0.8, linestyle="--", zorder=0)
    ax.set(
        **{
            "xlim" if horizontal else "ylim": (least - 0.05, greatest + 0.02),
            "xlabel" if horizontal else "ylabel": label,
        }
    )


def legend_keys(rows: pd.DataFrame, *, has_means: bool = False) -> list[Line2D]:
    """What the markers and lines that are drawn mean."""
    there = [verdict for verdict in VERDICTS if (rows["verdict"] == verdict).any()]
    keys = [Line2D([], [], color=VERDICTS[v][0], marker=VERDICTS[v][1], ms=4.5, ls="", label=v) for v in there]
    if has_means:
        keys.append(Line2D([], [], color="0.3", marker=MEAN, ms=6.5, lw=2.2, label="mean over networks, 95 %"))
    if "ceiling" in rows and rows["ceiling"].notna().any():
        keys.append(Line2D([], [], color="0.4", ls=":", marker="|", ms=7, markevery=[1], label="to the noise ceiling"))
    return [*keys, Line2D([], [], color="0.3", lw=0.8, ls="--", label=f"{VALID_AGREEMENT} (Def. 3.1)")]
