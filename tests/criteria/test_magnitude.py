"""Norms of filters, units and heads, by hand."""

import torch
from torch import nn

from oraclecheck.criteria.magnitude import l1
from oraclecheck.networks.attention import SelfAttention


def test_l1_sums_the_absolute_weights_of_each_filter_of_a_convolution():
    network = nn.Sequential(nn.ReLU(), nn.Conv2d(2, 3, (1, 2)))
    network[1].weight.data = torch.tensor([1.0, -2, 3, -4, 0, 0, 0.5, 0, -1, -1, -1, -1]).view(3, 2, 1, 2)
    network[1].bias.data = torch.tensor([100.0, 200, 300])  # which are no weights
    assert l1(network, None, ["1"])["1"].tolist() == [10, 0.5, 4]


def test_l1_sums_the_absolute_weights_of_each_hidden_unit():
    network = nn.Sequential(nn.Linear(2, 2))
    network[0].weight.data = torch.tensor([[-3.0, 4], [0, -2]])
    assert l1(network, None, ["0"])["0"].tolist() == [7, 2]


def test_l1_of_a_head_is_over_its_rows_of_queries_keys_and_values():
    network = nn.Sequential(SelfAttention(width=4, heads=2))  # heads of 2: rows 0-1, 4-5 and 8-9, and the others
    rows = torch.tensor([1.0, -2, 10, 20, 3, -4, 30, 40, -5, 6, 50, 60])
    network[0].in_proj_weight.data = rows[:, None].expand(12, 4).contiguous()
    assert l1(network, None, ["0"])["0"].tolist() == [4 * (1 + 2 + 3 + 4 + 5 + 6), 4 * 210]


def test_l1_is_summed_in_float64_and_knows_no_gradient():
    network = nn.Sequential(nn.Linear(3, 1, bias=False))
    network[0].weight.data = torch.tensor([[2.0**30, 2.0**-20, -(2.0**30)]])  # which float32 cannot add up
    (score,) = scores = l1(network, None, ["0"])["0"]
    assert scores.dtype == torch.float64 and not scores.requires_grad
    assert score.item() == 2**31 + 2**-20
