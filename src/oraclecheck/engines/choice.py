"""Which engine retrains: the one that is asked for, or of those that can the quickest."""

from collections.abc import Callable
from pathlib import Path

from oraclecheck.engines.engine import Engine
from oraclecheck.engines.lanes.compiler import compiler
from oraclecheck.engines.lanes.engine import LanesEngine


def choose(asked: str, check_lanes: Callable[[], None]) -> tuple[str, str | None]:
    """The engine to take, and where `auto` was asked for why it is not the quicker one.

    Args:
        asked: "lightning", "lanes" or "auto".
        check_lanes: Raises a ValueError if the lanes engine cannot do what is to be done.
    """
    if asked != "auto":
        return asked, None
    try:
        check_lanes()
    except ValueError as error:
        return "lightning", str(error)
    return "lanes", None


def tools_of(name: str) -> dict[str, str]:
    """Tool -> version of what an engine of this name is made with, where that is no package."""
    return {"c++": compiler().name} if name == "lanes" else {}


def engine_of(name: str, cache: Path) -> Engine:
    """The engine of this name.

    Args:
        name: "lightning" or "lanes".
        cache: Folder for what an engine compiles.
    """
    if name == "lanes":
        return LanesEngine(cache)
    from oraclecheck.engines.lightning import retrain  # it brings Lightning, which takes seconds

    return retrain
