"""The figure of criteria: every number that it shows is one of the table."""

import pandas as pd
import pytest
from figure_text import misplaced
from hand_made import correlated
from matplotlib import style
from matplotlib.figure import Figure

from oraclecheck.analysis.figures.criteria import plot_criteria, save_criteria
from oraclecheck.analysis.figures.print_style import PRINT
from oraclecheck.analysis.networks import across_networks

S = {"taylor": 0.55, "oracle": 0.61, "random": -0.05}


def rows(networks: int) -> pd.DataFrame:
    """Three criteria in so many dense networks, between which s moves by 0.02."""
    return correlated(
        *(
            {
                **{"study": f"s-{network:08x}", "criterion": name, "agreement": s + 0.02 * network, "ceiling": 0.9},
                **{"agreement_low": s - 0.1, "agreement_high": s + 0.1, "dense_hash": f"d{network}"},
                **{"rank": 1.0, "rank_low": 1.0, "rank_high": 2.0},
            }
            for network in range(networks)
            for name, s in S.items()
        )
    )


@pytest.fixture(autouse=True)
def in_print():
    with style.context(["default", PRINT]):
        yield


def lines(ax, marker):
    """The x of every line with a marker, those of one point as numbers."""
    found = [line.get_xdata() for line in ax.lines if line.get_marker() == marker]
    return [x[0] if len(x) == 1 else list(x) for x in found]


def test_criteria_of_one_network_stand_by_falling_agreement_below_the_ceiling():
    figure = Figure(figsize=(6.9, 1.7), layout="constrained")
    ax = figure.subplots()
    plot_criteria(rows(1), ax)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["oracle", "taylor", "random"]
    assert lines(ax, "o") == pytest.approx([0.61, 0.55, -0.05])
    bars = [list(line.get_xdata()) for line in ax.lines if line.get_linewidth() == 1.8]
    assert bars == [pytest.approx([s - 0.1, s + 0.1]) for s in (0.61, 0.55, -0.05)]
    assert any(list(line.get_xdata()) == [0.9, 0.9] for line in ax.lines)
    assert {"0.61", "[0.51, 0.71]", "1 (1–2)"} <= {text.get_text() for text in ax.texts}
    bold = [tick.get_text() for tick in ax.get_yticklabels() if tick.get_weight() == "bold"]
    assert bold == ["oracle"] and not misplaced(figure)


def test_several_networks_are_small_marks_below_their_mean():
    table = rows(3)
    figure = Figure(figsize=(6.9, 1.7), layout="constrained")
    ax = figure.subplots()
    plot_criteria(table, ax, networks=across_networks(table))
    assert lines(ax, "D") == pytest.approx([0.63, 0.57, -0.03])
    assert lines(ax, "o") == [pytest.approx([s, s + 0.02, s + 0.04]) for s in (0.61, 0.55, -0.05)]
    assert not misplaced(figure)


def test_criteria_without_ceiling_or_interval_are_drawn(tmp_path):
    table = rows(1).assign(ceiling=float("nan"), agreement_low=float("nan"), agreement_high=float("nan"))
    table.loc[table["criterion"] == "random", "agreement"] = float("nan")
    png, pdf = save_criteria(table, tmp_path / "criteria_accuracy", metric="accuracy")
    assert png.read_bytes()[:4] == b"\x89PNG" and pdf.read_bytes()[:4] == b"%PDF"
    with pytest.raises(ValueError, match="metric must be one of the table's, accuracy; got loss"):
        plot_criteria(table, metric="loss")
