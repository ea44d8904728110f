"""The rule by which scores stand on a logarithmic axis, and what the axis says."""

import math

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from oraclecheck.analysis.figures.score_axis import most_pile_up, pile_up, scale_scores

PILED = [0.001, 0.002, 0.003, 0.01, 5.0]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        (PILED, True),
        ([*PILED, math.inf], True),  # diverged
        ([0.0, *PILED], False),  # nowhere on a logarithmic axis
        ([-1.0, *PILED], False),
        (np.linspace(0.001, 1, 45), False),  # three quarters in the first three quarters
        ([*np.linspace(1, 1.2, 44), 2.0], False),  # less than ten times the least
        (np.append(np.linspace(0.01, 0.25, 8), 1.0), True),
        (np.append(np.linspace(0.01, 0.45, 8), 1.0), False),
        ([0.1], False),
        ([], False),
    ],
)
def test_scores_pile_up_by_the_rule(scores, expected):
    assert pile_up(scores) is expected


def test_panels_share_a_scale_by_majority():
    even = [0.1, 0.2, 0.3, 0.4]
    assert most_pile_up([PILED, even]) and not most_pile_up([PILED, even, even])
    assert not most_pile_up([PILED, PILED, [0.0, 1.0]])
    assert not most_pile_up([])


def test_published_figures_keep_their_linear_axes(data_root):
    """All but one: ResNet56's losses reach from 3 to 43, three quarters of them below 11."""
    paths = sorted((data_root / "paper_scatter").glob("*.csv"))
    piled = [path.stem for path in paths if pile_up(pd.read_csv(path)["pruned_train_loss"])]
    assert len(paths) > 30 and piled == ["resnet56-cifar10-blocks_0.5"]


@pytest.mark.parametrize(
    ("limits", "labels"),
    [((0.002, 3), ["0.01", "0.1", "1"]), ((0.02, 0.9), ["0.05", "0.1", "0.2", "0.5"]), ((1e-7, 1e-5), ["$10^{-6}$"])],
)
def test_ticks_of_a_logarithmic_axis_are_plain_numbers(limits, labels):
    ax = Figure().subplots()
    ax.set_xlim(*limits)
    scale_scores(ax, logarithmic=True)
    shown = [text for text in ax.get_xticklabels() if limits[0] < text.get_position()[0] < limits[1]]
    assert set(labels) <= {text.get_text() for text in shown} and len(shown) <= len(labels) + 1
