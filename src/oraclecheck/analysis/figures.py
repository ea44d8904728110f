"""The scatter of paper 1's Figures 2 to 5: what pruning did to the loss against what retraining made of it.

Drawing only: every number comes from `correlation`. It uses no pyplot, hence needs no display and leaves no state.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from oraclecheck.analysis.correlation import kendall
from oraclecheck.analysis.outcomes import HIGHER_IS_BETTER

# Okabe and Ito's vermillion and bluish green differ for colour-blind readers, and in grey by their marker.
BETTER = ("#D55E00", "^")
NOT_BETTER = ("#009E73", "o")
PICKS = "sDvPX"

# One column of a two-column paper.
WIDTH_INCHES = 3.3
PRINT: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "pdf.fonttype": 42,
}


def plot_scatter(combos: pd.DataFrame, ax: Axes, *, metric: str = "accuracy", epoch: str = "final") -> None:
    """Draw each combination's metric after retraining over its pruned train loss, as in Figure 2 of paper 1.

    A star marks the oracle's choice, the combination with the least pruned train loss (the first of several); dashed
    guides run through it. Strictly better combinations are vermillion triangles, the others green circles; picks of
    other criteria are open markers and count nowhere. Points that are not finite are not drawn but counted in a note,
    and they do count in the legend and in tau.

    Args:
        combos: One study's rows of `tables.combinations_table`; accuracies are fractions and drawn in percent.
        ax: Where to draw.
        metric: "accuracy" (higher is better) or "loss" (lower is better).
        epoch: "final" (after the last epoch) or "best" (at the epoch with the best test accuracy).

    Raises:
        ValueError: If metric or epoch is another word.
    """
    if metric not in HIGHER_IS_BETTER or epoch not in ("final", "best"):
        raise ValueError(f"metric must be accuracy or loss and epoch final or best; got {metric} and {epoch}")
    shown = combos[combos["k"] > 0]
    unpicked = shown[shown["picked_by"].isna()]
    score, final = _points(unpicked, metric, epoch)
    _draw_combinations(ax, score, final, higher_is_better=HIGHER_IS_BETTER[metric])
    for i, (name, picks) in enumerate(shown.dropna(subset="picked_by").groupby("picked_by")):
        x, y = _finite(*_points(picks, metric, epoch))
        ax.plot(x, y, PICKS[i % len(PICKS)], mfc="none", mec="black", ms=6, zorder=5, label=f"pick of {name}")
    if hidden := len(shown) - len(_finite(*_points(shown, metric, epoch))[0]):
        ax.plot([], [], " ", label=f"{hidden} not drawn (diverged)")
    ax.set_xlabel("pruned train loss")
    ax.set_ylabel(f"{epoch} test {metric}{' (%)' if metric == 'accuracy' else ''}")
    ax.set_title(_title(unpicked["k"], score, final))
    ax.ticklabel_format(useOffset=False)
    ax.spines[["top", "right"]].set_visible(False)
    if ax.get_legend_handles_labels()[0]:
        # Below the axis label, where it never covers a point; the pad is in units of the font size.
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=4.2, handletextpad=0.2, frameon=False)


def save_scatter(
    combos: pd.DataFrame, path_stem: Path, *, metric: str = "accuracy", epoch: str = "final"
) -> list[Path]:
    """Write the scatter as `<path_stem>.png` (300 dpi) and `<path_stem>.pdf` (vector, TrueType), one column wide.

    The looks do not depend on the user's matplotlibrc, and the files hold no time stamp: the same combinations give
    the same bytes.

    Args:
        combos: As for `plot_scatter`.
        path_stem: Path without a suffix, in an existing folder.
        metric: As for `plot_scatter`.
        epoch: As for `plot_scatter`.

    Returns:
        The paths of the two files.
    """
    with style.context(["default", PRINT]):
        figure = Figure(figsize=(WIDTH_INCHES, WIDTH_INCHES), layout="constrained")
        plot_scatter(combos, figure.subplots(), metric=metric, epoch=epoch)
        png, pdf = (path_stem.with_name(f"{path_stem.name}.{suffix}") for suffix in ("png", "pdf"))
        figure.savefig(png, dpi=300, metadata={"Software": None})
        figure.savefig(pdf, metadata={"CreationDate": None})
    return [png, pdf]


def _points(combos: pd.DataFrame, metric: str, epoch: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    unit = 100 if metric == "accuracy" else 1
    return combos["score"].to_numpy(float), unit * combos[f"{epoch}_test_{metric}"].to_numpy(float)


def _finite(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    drawn = np.isfinite(x) & np.isfinite(y)
    return x[drawn], y[drawn]


def _draw_combinations(
    ax: Axes, score: NDArray[np.float64], final: NDArray[np.float64], *, higher_is_better: bool
) -> None:
    if len(score) == 0:
        return
    choice = int(np.argmin(score))
    better = final > final[choice] if higher_is_better else final < final[choice]
    others = ~better
    others[choice] = False
    least = int((score == score[choice]).sum())
    words = f"first of {least} with the least pruned train loss" if least > 1 else "least pruned train loss"
    x, y = _finite(score[[choice]], final[[choice]])
    for guide, at in ((ax.axvline, x), (ax.axhline, y)):
        for position in at:
            guide(position, color="0.4", linewidth=0.8, linestyle="--", zorder=0)
    label = f"oracle's choice ({words})"
    ax.scatter(x, y, s=90, c="black", marker="*", edgecolors="white", linewidths=0.6, zorder=6, label=label)
    size = 14 if len(score) <= 300 else 6
    groups = ((better, BETTER, "better than the oracle's choice"), (others, NOT_BETTER, "not better"))
    for group, (color, marker), words in groups:
        share = f"{group.sum()} of {len(score)}, {100 * group.mean():.1f} %"
        x, y = _finite(score[group], final[group])
        ax.scatter(x, y, s=size, c=color, marker=marker, linewidths=0, alpha=0.9, label=f"{words} ({share})")


def _title(k: pd.Series, score: NDArray[np.float64], final: NDArray[np.float64]) -> str:
    repeats = f"{k.min()}–{k.max()}" if k.nunique() > 1 else f"{k.max() if len(k) else 0}"
    title = f"$n$ = {len(score)}, $k$ = {repeats}"
    if len(score) < 2:
        return title
    tau, p = kendall(score, final)
    if np.isnan(tau):
        return f"{title}, $\\tau$ not defined"
    return f"{title}, $\\tau$ = {tau:.2f}, $p$ = {_scientific(p)}".replace("= -", "= \N{MINUS SIGN}")


def _scientific(p: float) -> str:
    if p >= 0.001 or p == 0:
        return f"{p:.2g}"
    mantissa, exponent = f"{p:.1e}".split("e")
    return rf"${mantissa}\times10^{{{int(exponent)}}}$"
