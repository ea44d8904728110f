"""What a figure's words take up on paper."""

from collections.abc import Iterator

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

_HAIR = 0.5
"""Pixels by which boxes may touch."""


def misplaced(figure: Figure) -> list[str]:
    """Words that leave the figure or stand on one another, once it is laid out; none if all is well."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    boxes = [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in _shown(figure)]
    whole = figure.bbox.padded(_HAIR)
    found = [f"{words!r} leaves the figure" for words, box in boxes if not _holds(whole, box)]
    for number, (words, box) in enumerate(boxes):
        found += [f"{words!r} stands on {other!r}" for other, there in boxes[number + 1 :] if _overlap(box, there)]
    return found


def _shown(figure: Figure) -> Iterator[Text]:
    ticks = {id(label) for ax in figure.axes for axis in (ax.xaxis, ax.yaxis) for label in _labels(axis)}
    drawn = {id(label) for ax in figure.axes if ax.axison for label in _drawn_labels(ax)}
    hidden = {id(text) for ax in figure.axes if not ax.axison for text in ax.findobj(Text)}
    for text in figure.findobj(Text):
        if (
            text.get_text()
            and text.get_visible()
            and id(text) not in hidden
            and (id(text) in drawn or id(text) not in ticks)
        ):
            yield text


def _labels(axis) -> list[Text]:
    return [*axis.get_majorticklabels(), *axis.get_minorticklabels()]


def _drawn_labels(ax: Axes) -> Iterator[Text]:
    """Labels of the ticks in view: an axis has more."""
    for axis, place, limits in ((ax.xaxis, 0, ax.get_xlim()), (ax.yaxis, 1, ax.get_ylim())):
        yield from (label for label in _labels(axis) if min(limits) <= label.get_position()[place] <= max(limits))


def _holds(whole: Bbox, box: Bbox) -> bool:
    return whole.x0 <= box.x0 and whole.y0 <= box.y0 and box.x1 <= whole.x1 and box.y1 <= whole.y1


def _overlap(one: Bbox, other: Bbox) -> bool:
    wide = min(one.x1, other.x1) - max(one.x0, other.x0)
    high = min(one.y1, other.y1) - max(one.y0, other.y0)
    return wide > _HAIR and high > _HAIR
