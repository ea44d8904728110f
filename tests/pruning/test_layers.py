import pytest

from oraclecheck.networks.lenet import LeNet5Mini
from oraclecheck.pruning.layers import layer_choices, resolve_ratio

DEFAULT = {"conv1": 0.5}


@pytest.mark.parametrize(
    ("ratio", "resolved"),
    [
        (None, {"conv1": 0.5}),
        (0.2, {"conv1": 0.2}),
        ({"conv2": 0.2}, {"conv2": 0.2}),
        ({"conv3": 0.3, "conv1": 0.2}, {"conv1": 0.2, "conv3": 0.3}),
    ],
)
def test_ratio_replaces_the_default_in_the_networks_order(ratio, resolved):
    assert list(resolve_ratio(LeNet5Mini(), ratio, DEFAULT).items()) == list(resolved.items())


@pytest.mark.parametrize(("ratio", "removed"), [(0.2, 2), (0.25, 3), (0.5, 5), (0.81, 9)])
def test_removed_filters_are_the_ceiling(ratio, removed):
    (choice,) = layer_choices(LeNet5Mini(), {"conv1": ratio})
    assert (choice.name, choice.filters, choice.removed) == ("conv1", 10, removed)


@pytest.mark.parametrize(
    "ratio", [{}, [], "conv1", True, {"conv1": True}, {"conv1": None}, {"conv1": 1}, {"relu": 0.5}]
)
def test_what_is_no_ratio_is_refused(ratio):
    with pytest.raises(ValueError, match=r"pruning\.ratio"):
        resolve_ratio(LeNet5Mini(), ratio, DEFAULT)
