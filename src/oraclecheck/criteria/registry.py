"""The criteria that may pick a combination, by the names that `combo=` takes."""

from collections.abc import Iterable

from torch import nn

from oraclecheck.criteria.magnitude import l1
from oraclecheck.criteria.pick import FilterScore, least
from oraclecheck.pruning.combination import LayerChoice, Removed

FILTER_SCORES: dict[str, FilterScore] = {"l1": l1}


def pick(name: str, network: nn.Module, layers: Iterable[LayerChoice]) -> Removed:
    """The combination that a criterion of `FILTER_SCORES` picks of a dense network's layers; see `least`."""
    return least(FILTER_SCORES[name], network, layers)
