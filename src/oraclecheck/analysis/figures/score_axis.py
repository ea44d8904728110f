"""The axis with a criterion's scores: linear, or logarithmic where scores pile up near 0."""

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import ArrayLike

_CROWDED = 0.25
_DECADE = 10.0


def pile_up(scores: ArrayLike) -> bool:
    """Whether scores are to be drawn on a logarithmic axis.

    They are if all are above 0, the greatest is at least ten times the least, and three quarters of them would stand in
    the first quarter of a linear axis from the least to the greatest. Scores that are not finite do not matter. Pruned
    train losses of small ratios are so: most combinations hardly harm, a few do.
    """
    finite = np.asarray(scores, dtype=float)
    finite = finite[np.isfinite(finite)]
    if len(finite) < 2 or finite.min() <= 0 or finite.max() < _DECADE * finite.min():
        return False
    return bool(np.quantile(finite, 0.75) - finite.min() < _CROWDED * (finite.max() - finite.min()))


def most_pile_up(studies: Iterable[ArrayLike]) -> bool:
    """Whether the panels of several studies, which are read side by side, are to have logarithmic axes.

    They all are if half of them would be (see `pile_up`) and every finite score is above 0.
    """
    known = [np.asarray(scores, dtype=float) for scores in studies]
    positive = all((scores[np.isfinite(scores)] > 0).all() for scores in known)
    return positive and 2 * sum(map(pile_up, known)) >= max(len(known), 1)


def scale_scores(ax: Axes, *, logarithmic: bool) -> None:
    """Make the x axis linear or logarithmic, its ticks plain numbers; call it when everything is drawn."""
    if not logarithmic:
        ax.ticklabel_format(axis="x", useOffset=False)
        return
    ax.set_xscale("log")
    low, high = ax.get_xlim()
    ax.xaxis.set_major_locator(LogLocator(subs=(1,) if high >= 50 * low else (1, 2, 5)))
    ax.xaxis.set_major_formatter(FuncFormatter(_plain))
    ax.xaxis.set_minor_formatter(NullFormatter())


def _plain(value: float, _: int) -> str:
    if 1e-4 <= value < 1e5:
        return f"{value:.10g}"
    mantissa, exponent = f"{value:.0e}".split("e")
    factor = "" if mantissa == "1" else rf"{mantissa}\times"
    return f"${factor}10^{{{int(exponent)}}}$"
