"""What is picked by given scores."""

import pytest
import torch
from torch import nn

from oraclecheck.criteria.magnitude import l1
from oraclecheck.criteria.pick import least
from oraclecheck.networks.attention import SelfAttention
from oraclecheck.pruning.combination import LayerChoice

SCORES = {"a": torch.tensor([0.5, 0.1, 0.4, 0.2]), "b": torch.tensor([-1.0, 3.0, -2.0])}


@pytest.mark.parametrize(
    ("removed", "expected"),
    [
        ((1, 1), {"a": (1,), "b": (2,)}),
        ((2, 2), {"a": (1, 3), "b": (0, 2)}),
        ((3, 0), {"a": (1, 2, 3), "b": ()}),
    ],
)
def test_least_picks_in_each_layer_the_least_scores_in_ascending_places(removed, expected):
    layers = [LayerChoice("a", 4, removed[0]), LayerChoice("b", 3, removed[1])]
    assert least(SCORES, layers) == expected
    assert list(least(SCORES, layers[::-1])) == ["b", "a"]


def test_least_picks_the_first_of_equal_scores():
    scores = [2.0, 1.0, 1.0] + [1.0] * 60  # enough for a sort that is not stable to deal them out otherwise
    picked = least({"a": torch.tensor(scores)}, [LayerChoice("a", 63, 5)])
    assert picked == {"a": (1, 2, 3, 4, 5)}


def test_pick_removes_the_filters_and_heads_of_least_l1_norm_and_leaves_the_network_alone():
    network = nn.ModuleDict({"conv": nn.Conv2d(1, 3, 1), "attention": SelfAttention(width=4, heads=4)})
    network["conv"].weight.data = torch.tensor([-2.0, 1.0, -1.0]).view(3, 1, 1, 1)
    heads = torch.tensor([5.0, 1, 9, 3] * 3)[:, None].expand(12, 4)  # one row each of queries, keys and values
    network["attention"].in_proj_weight.data = heads.clone()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    layers = (LayerChoice("conv", 3, 1), LayerChoice("attention", 4, 2))
    assert least(l1(network, None, ["conv", "attention"]), layers) == {"conv": (1,), "attention": (1, 3)}
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
