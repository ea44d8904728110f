"""Columns of numbers to the right of Axes whose rows they belong to."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from oraclecheck.analysis.figures.lettering import SMALL, width_of

_GAP = 9
"""Points between the columns."""


def write_columns(
    ax: Axes, columns: Mapping[str, Sequence[str]], places: Sequence[float], bold: Sequence[bool], above: float = -0.75
) -> None:
    """Write columns under their headings.

    Args:
        ax: The Axes.
        columns: Heading -> a text for each row, maybe empty.
        places: Where the rows are on the y axis.
        bold: Which rows are.
        above: Where the headings are on the y axis.
    """
    right = float(_GAP)
    for heading, cells in columns.items():
        for text, y, weighty in zip([heading, *cells], [above, *places], [None, *bold], strict=True):
            up: Any = {"va": "bottom" if weighty is None else "center_baseline", "size": SMALL}
            up["weight"] = "bold" if weighty else "normal"
            if text:
                where: Any = {"xycoords": ax.get_yaxis_transform(), "textcoords": "offset points"}
                ax.annotate(text, (1, y), (right, 0), annotation_clip=False, **where, **up)
        right += max((width_of(text, weight="bold") for text in [heading, *cells] if text), default=0.0) + _GAP
