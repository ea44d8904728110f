"""What a configuration names under `_target_`: imported, or the reason why it cannot be, in one sentence."""

import difflib
import traceback
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

from oraclecheck.errors import tell


def check_targets(description: Any, key: str) -> None:
    """Import everything that a description names; Hydra would do it too, but hides why something cannot be imported.

    Args:
        description: Hydra's description of an object, `_target_` and arguments, which may be such descriptions too.
        key: The configuration key that holds it, for messages.

    Raises:
        ValueError: If something cannot be imported, or is nothing that can be called.
    """
    for target in _targets(description):
        rule = f"{key} must name an importable class and its arguments; got {target!r}"
        if not isinstance(target, str) or "." not in target or not all(map(str.isidentifier, target.split("."))):
            raise ValueError(f"{rule}: write it as MODULE.CLASS")
        found = _locate(target, rule)
        if not callable(found):
            raise ValueError(f"{rule}: that is of type {type(found).__name__}")


def _targets(description: Any) -> Iterator[Any]:
    if isinstance(description, dict):
        if "_target_" in description:
            yield description["_target_"]
        description = list(description.values())
    if isinstance(description, list):
        for item in description:
            yield from _targets(item)


def _locate(target: str, rule: str) -> Any:
    parts = target.split(".")
    found = _imported(parts[0], rule)
    if found is None:
        raise ValueError(f"{rule}: there is no module {parts[0]!r}: put the folder that holds it on PYTHONPATH")
    for depth, part in enumerate(parts[1:], start=1):
        parent = found
        found = getattr(parent, part, None)
        if found is None and isinstance(parent, ModuleType) and not hasattr(parent, part):
            found = _imported(".".join(parts[: depth + 1]), rule)
        if found is None:
            close = difflib.get_close_matches(part, dir(parent), n=1)
            hint = f": did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"{rule}: {'.'.join(parts[:depth])} has no {part!r}{hint}")
    return found


def _imported(name: str, rule: str) -> Any:
    """A module; None if there is none of this name."""
    try:
        return import_module(name)
    except SyntaxError as error:
        raise ValueError(f"{rule}: {error.filename}, line {error.lineno}: {error.msg}") from error
    except (Exception, SystemExit) as error:  # a script that ends with sys.exit() too
        if isinstance(error, ModuleNotFoundError) and error.name == name:
            return None
        if isinstance(error, ModuleNotFoundError):
            place = _place(error, "importlib")
            reason = f"{place} imports {error.name!r}, which is not installed and not on PYTHONPATH"
        else:
            reason = f"{_place(error, 'importlib', 'site-packages')} raises {tell(error)}"
        raise ValueError(f"{rule}: {reason}") from error


def _place(error: BaseException, *passed_over: str) -> str:
    """The innermost line of an import that lies in a file of the user's, if one does."""
    frames = traceback.extract_tb(error.__traceback__)
    kept = [frame for frame in frames[1:] if not any(part in frame.filename for part in passed_over)] or frames
    return f"{kept[-1].filename}, line {kept[-1].lineno},"
