"""Which engine retrains: the one that is asked for, or of those that can the quickest."""

from collections.abc import Callable
from pathlib import Path

from oraclecheck.engines.engine import Engine
from oraclecheck.engines.lanes.compiler import compiler
from oraclecheck.engines.lanes.engine import LanesEngine
from oraclecheck.engines.stacked.engine import StackedEngine


def choose(asked: str, candidate: str, check: Callable[[], None]) -> tuple[str, str | None]:
    """The engine to take, and where `auto` was asked for why it is not the quicker one.

    Args:
        asked: "lightning", "lanes", "stacked" or "auto".
        candidate: The engine that is the quickest on such a device.
        check: Raises a ValueError if that one cannot do what is to be done.
    """
    if asked != "auto":
        return asked, None
    try:
        check()
    except ValueError as error:
        return "lightning", str(error)
    return candidate, None


def tools_of(name: str) -> dict[str, str]:
    """Tool -> version of what an engine of this name is made with, where that is no package."""
    return {"c++": compiler().name} if name == "lanes" else {}


def engine_of(name: str, cache: Path, networks: int | None, devices: int = 1) -> Engine:
    """The engine of this name, for the runs of one study.

    Args:
        name: "lightning", "lanes" or "stacked".
        cache: Folder for what an engine compiles.
        networks: How many networks it retrains at once, where it can; None for as many as memory holds.
        devices: Over how many each network is sharded.
    """
    if name == "lanes":
        return LanesEngine(cache)
    if name == "stacked":
        return StackedEngine(networks)
    if devices > 1:
        from oraclecheck.engines.sharded import engine as sharded

        return sharded.retrain
    from oraclecheck.engines.lightning import retrain  # it brings Lightning, which takes seconds

    return retrain
