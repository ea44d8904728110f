"""Words on figures: how wide they are in print, and how they are broken into lines that fit."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cbook import is_math_text
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from matplotlib.transforms import offset_copy

POINTS = 72
"""In an inch."""

SMALL = 7
"""Points: the least type of a figure in print."""

_KEY = 4.8 * SMALL
"""Points that a legend takes for a key beside its label: matplotlib's defaults, in units of the type."""

_BREAKS = [re.compile(at) for at in (r"(?<!=) (?!=)(?![^\[]*\])", r"(?<=[_/.-])(?=.)", r"(?<=.)(?=.)")]
"""Where a line may end: at a space, not within brackets nor beside an equals sign; else in a name; else anywhere."""


def figure_width(ax: Axes) -> float:
    """The width of the whole figure that Axes belong to, in points."""
    figure: Any = ax.get_figure(root=True)
    return float(POINTS * figure.get_figwidth())


def width_of(text: str, size: float = SMALL, weight: str = "normal") -> float:
    """The width of a line of text, in points."""
    font = FontProperties(size=size, weight=weight)
    return text_to_path.get_text_width_height_descent(text, font, is_math_text(text))[0]


def fitted(pieces: Iterable[str], width: float, size: float = SMALL, weight: str = "normal") -> list[str]:
    """Pieces of a phrase, joined by commas, in lines of at most a width.

    Lines end between pieces; a piece that is wider than a line is broken at its spaces, a word that still is where its
    parts meet (`layer1.0.`, `released_`), and what still is anywhere.

    Args:
        pieces: Such as "conv1", "0.2", "wiring correct"; empty ones are left out.
        width: Points.
        size: Of the type, in points.
        weight: "normal" or "bold".
    """

    def fits(line: str) -> bool:
        return width_of(f"{line},", size, weight) <= width

    lines: list[str] = []
    for piece in filter(None, pieces):
        joined = f"{lines[-1]}, {piece}" if lines else piece
        if fits(joined):
            lines[-1:] = [joined]
            continue
        lines[-1:] = [f"{line}," for line in lines[-1:]]
        lines += _broken(piece, fits)
    return lines


def set_title(ax: Axes, lines: Sequence[str], room: float) -> None:
    """Set small lines above Axes: centred, but no further to the right than the Axes are.

    The layout takes no notice of how wide a title is, and centred over the Axes a wide one would leave the figure or
    stand on its neighbour; to the left it has the room of the labels of the y axis.

    Args:
        ax: See above.
        lines: No wider than the Axes and that room together.
        room: Points that the Axes are about wide.
    """
    title = ax.set_title("\n".join(lines), size=SMALL)
    beyond = max(0.0, max(map(width_of, lines), default=0.0) - room) / 2
    figure = ax.get_figure(root=True)
    title.set_transform(offset_copy(title.get_transform(), figure, x=-beyond, units="points"))


def columns_that_fit(ax: Axes, labels: Sequence[str]) -> int:
    """How many columns of keys with these labels fit side by side into a legend as wide as the Axes' figure."""
    widths = [width_of(label) + _KEY for label in labels]
    rows = ((n, np.array_split(widths, n)) for n in range(1, len(labels) + 1))
    fitting = [n for n, columns in rows if sum(map(max, columns)) <= figure_width(ax)]
    return max(fitting, default=1)


def _broken(text: str, fits: Callable[[str], bool], finer: int = 0) -> list[str]:
    if fits(text) or finer == len(_BREAKS) or (finer and is_math_text(text)):
        return [text]
    lines: list[str] = []
    for part in _BREAKS[finer].split(text):
        joined = f"{lines[-1]}{'' if finer else ' '}{part}" if lines else ""
        if lines and fits(joined):
            lines[-1] = joined
        else:
            lines += _broken(part, fits, finer + 1)
    return lines
