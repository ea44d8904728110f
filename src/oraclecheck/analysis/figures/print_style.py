"""How figures look in print and in a notebook: sizes, type and colours, and how they are saved."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from oraclecheck.files import write_atomically

# Okabe and Ito's vermillion and bluish green keep the paper's red and green apart for colour-blind readers; everywhere
# a marker says the same in grey.
BETTER = ("#D55E00", "^")
NOT_BETTER = ("#009E73", "o")
VERDICTS = {
    "valid": ("#009E73", "o"),
    "invalid": ("#D55E00", "v"),
    "inverse": ("#7B3294", "^"),
    "undecided": ("#666666", "s"),
}

COLUMN, FULL = 3.3, 6.9
"""Inches: one column of a two-column paper, and both."""

_NOTEBOOK = 1.5
"""How much larger than in print a figure is made on a screen, at the same type size."""

PRINT: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "pdf.fonttype": 42,
}


def save_figure(draw: Callable[[Any], object], stem: Path, width: float, height: float, *grid: int) -> list[Path]:
    """Write a figure as `<stem>.png` (300 dpi) and `<stem>.pdf` (vector, TrueType).

    The looks do not depend on the user's matplotlibrc, and the files hold no time stamp: the same numbers give the same
    bytes.

    Args:
        draw: Draws on Axes; on a list of them where there is a grid.
        stem: Path without a suffix, in an existing folder.
        width: Inches.
        height: Inches.
        grid: Rows and columns of Axes, if there are several.

    Returns:
        The paths of the two files.
    """
    with style.context(["default", PRINT]):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(_axes(figure, *grid))
        png, pdf = (stem.with_name(f"{stem.name}.{suffix}") for suffix in ("png", "pdf"))
        write_atomically(png, partial(figure.savefig, format="png", dpi=300, metadata={"Software": None}))
        write_atomically(pdf, partial(figure.savefig, format="pdf", metadata={"CreationDate": None}))
    return [png, pdf]


@contextmanager
def given_or_new(axes: Any, width: float, height: float, *grid: int) -> Iterator[Any]:
    """The given Axes, or new ones that a notebook shows at the end of its cell; inches are those of print."""
    if axes is not None:
        yield axes
        return
    # Notebooks show what pyplot knows, and nothing else; everywhere else pyplot's global state is in the way.
    from matplotlib import pyplot

    # The style says "not interactive", and then a notebook would not notice the new figure.
    figure = pyplot.figure(figsize=(_NOTEBOOK * width, _NOTEBOOK * height), layout="constrained")
    with style.context(["default", PRINT]):
        yield _axes(figure, *grid)


def _axes(figure: Figure, *grid: int) -> Axes | list[Axes]:
    return list(figure.subplots(*grid, squeeze=False).flat) if grid else figure.subplots()
