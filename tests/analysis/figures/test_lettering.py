"""Words are as wide as matplotlib draws them, and lines end where they should."""

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from oraclecheck.analysis.figures.lettering import columns_that_fit, fitted, width_of


@pytest.mark.parametrize("text", ["conv1, 0.2", r"$p$ = $5.0\times10^{-4}$", "wiring released_code"])
@pytest.mark.parametrize("weight", ["normal", "bold"])
def test_width_is_that_of_the_rendered_text(text, weight):
    figure = Figure(dpi=720)  # ten pixels a point
    artist = figure.text(0, 0, text, size=7, weight=weight)
    rendered = artist.get_window_extent(FigureCanvasAgg(figure).get_renderer()).width / 10
    assert width_of(text, 7, weight) == pytest.approx(rendered, abs=1)


def test_lines_end_between_pieces():
    pieces = ["conv1", "0.2", "wiring correct", "dense seed 0"]
    assert fitted(pieces, 1000) == ["conv1, 0.2, wiring correct, dense seed 0"]
    assert fitted(pieces, width_of("wiring correct,")) == ["conv1, 0.2,", "wiring correct,", "dense seed 0"]
    assert fitted(["", "conv1"], 100) == ["conv1"]
    assert fitted([], 100) == []


def test_a_piece_that_is_too_wide_breaks_at_spaces_and_a_word_anywhere():
    assert fitted(["wiring correct"], width_of("correct,")) == ["wiring", "correct"]
    narrow = width_of("abcd,") + 0.01
    assert fitted(["abcdabcdab"], narrow) == ["abcd", "abcd", "ab"]
    assert fitted(["wiring released_code"], width_of("released,")) == ["wiring", "released", "_code"]
    assert fitted(["wiring released_code"], width_of("released_,")) == ["wiring", "released_", "code"]
    assert all(width_of(line) <= 40 for line in fitted(["x" * 300, "</script><img src=x onerror='y'>"], 40))


def test_a_number_is_never_torn_from_its_name_nor_an_interval_in_two():
    lines = fitted(["$s$ = 0.61 [0.50, 0.71]", "permuted $p$ = 0.015"], 60)
    assert lines == ["$s$ = 0.61", "[0.50, 0.71],", "permuted", "$p$ = 0.015"]


def test_a_legend_has_as_many_columns_as_the_figure_has_room_for():
    words = ["valid", "invalid", "undecided"]
    assert columns_that_fit(Figure(figsize=(6.9, 1)).subplots(), words) == 3
    assert columns_that_fit(Figure(figsize=(2, 1)).subplots(), words) == 2
    assert columns_that_fit(Figure(figsize=(0.2, 1)).subplots(), words) == 1
