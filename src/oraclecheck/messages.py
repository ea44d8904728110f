"""What a user reads when a command cannot be run: one sentence, which key, what rule, what value, how to mend."""

import difflib
import re
from collections.abc import Iterator
from typing import Any

from hydra import compose
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

USER_ERRORS = (ValueError, HydraException, OmegaConfBaseException)
"""Exceptions that a user's input can raise; anything else is a defect of ours."""


def explain(error: BaseException) -> str:
    """One sentence for an exception.

    Call it where Hydra is initialised: a misspelt key is compared with those of the default configuration.
    """
    if isinstance(error, MissingConfigException) and error.options:
        return _missing_option(error)
    if isinstance(error, OverrideParseException):
        return f"arguments must be KEY=VALUE, quoted for the shell; got {error.override!r}: {_first_line(error)}"
    if match := re.match(r"ValueError raised while resolving interpolation: (.+)", str(error)):  # by a resolver of ours
        return match[1]
    if isinstance(error, ConfigCompositionException):
        return _composition(error)
    if isinstance(error, USER_ERRORS):
        return " ".join(str(error).split())
    return f"{type(error).__name__}: {_first_line(error)} (HYDRA_FULL_ERROR=1 shows where)"


def _missing_option(error: MissingConfigException) -> str:
    group, _, option = (error.missing_cfg_file or "").rpartition("/")
    options = ", ".join(error.options or [])
    return f"{group} must be one of {options}; got {option!r}{_nearest(option, list(error.options or []))}"


def _composition(error: ConfigCompositionException) -> str:
    text = str(error)
    if match := re.match(r"Could not override '(.+?)'", text):
        return f"there is no key '{match[1]}'{_nearest(match[1], _known_keys())}"
    if match := re.match(r"Ambiguous value for argument '(.+?)=(.*)'", text):
        return (
            f"{match[1]} must be a single value without -m; got {match[2]}: add -m to sweep over the values, or quote "
            f"them as one: '{match[1]}=\"{match[2]}\"'"
        )
    if match := re.match(r"Error merging override (.+?)=(.*)", text):
        return f"{match[1]} must have the type of its default; got {match[2]}: {_first_line(error.__cause__ or error)}"
    return " ".join(text.split())


def _known_keys() -> list[str]:
    return list(_keys(OmegaConf.to_container(compose("config"))))


def _keys(content: Any, prefix: str = "") -> Iterator[str]:
    """Dotted keys of a configuration as plain containers."""
    for key, value in content.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{key}.")


def _nearest(word: str, words: list[str]) -> str:
    close = difflib.get_close_matches(word, words, n=1)
    return f": did you mean {close[0]!r}?" if close else ""


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
