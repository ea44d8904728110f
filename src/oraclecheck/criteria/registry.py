"""The criteria that may pick a combination, by the name `combo=` takes."""

from collections.abc import Callable

from oraclecheck.criteria.magnitude import l1_choice
from oraclecheck.pruning.combination import Removed

CRITERIA: dict[str, Callable[..., Removed]] = {"l1": l1_choice}
