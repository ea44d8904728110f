"""What a user reads when a command cannot be run: one sentence, which key, what rule, what value, how to mend."""

import difflib
import io
import re
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

from hydra import compose
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import MarkedYAMLError, YAMLError

from oraclecheck.errors import first_line, tell

USER_ERRORS = (ValueError, HydraException, OmegaConfBaseException)
"""Exceptions that a user's input can raise; anything else is a defect of ours."""


def explain(error: BaseException) -> str:
    """One sentence for an exception.

    Call it where Hydra is initialised: a misspelt key is compared with those of the default configuration.
    """
    if isinstance(error, MissingConfigException) and error.options:
        group, _, option = (error.missing_cfg_file or "").rpartition("/")
        return f"{group} must be one of {', '.join(error.options)}; got {option!r}{_nearest(option, error.options)}"
    if isinstance(error, OverrideParseException) and not error.override.isascii():
        return f"letters beyond ASCII must stand in quotes, such as KEY='\"é\"' in a shell; got {error.override!r}"
    if isinstance(error, OverrideParseException):
        return f"arguments must be KEY=VALUE, quoted for the shell; got {error.override!r}: {first_line(error)}"
    if isinstance(error, YAMLError):
        return _yaml(error)
    if isinstance(error, UnicodeDecodeError):
        return f"files of --config-dir must be UTF-8; {_undecodable(error)} is not: {error.reason}"
    if isinstance(error, AssertionError) and _is_of_hydra(error):
        return "files of --config-dir must hold KEY: VALUE lines; one holds something else"
    if match := re.match(r"ValueError raised while resolving interpolation: (.+)", str(error)):  # by a resolver of ours
        return match[1]
    if isinstance(error, ConfigCompositionException):
        return _composition(error)
    if isinstance(error, OmegaConfBaseException) and error.full_key:
        return f"{error.full_key} must have a value that can be read; {first_line(error)}"
    if isinstance(error, USER_ERRORS):
        return _told(error)
    return f"{tell(error)} (HYDRA_FULL_ERROR=1 shows where)"


def _told(error: BaseException) -> str:
    """A user's error on one line, without where Hydra has looked."""
    text = " ".join(str(error).partition("Config search path:")[0].split())
    if match := re.match(r"Sweep parameters '(.+?)=(.*)' requires --multirun", text):
        return f"{match[1]} must be a single value without -m; got {match[2]}: add -m to sweep over the values"
    if match := re.match(r"Exceeds the limit \((\d+) digits\)", text):  # Python's, on reading an integer
        return f"numbers must have at most {match[1]} digits"
    if match := re.match(r"Interpolation key '(.+?)' not found", text):
        return f"interpolations must refer to keys that there are; got ${{{match[1]}}}"
    if match := re.match(r"Could not append to config\. An item is already at '(.+?)'", text):
        return f"{match[1]} must be given without a '+', for there is such a key already"
    if match := re.match(r"Multiple values for (\S+)\.", text):
        return f"{match[1]} must be chosen without a '+', for it has a choice already"
    return text


def _yaml(error: YAMLError) -> str:
    mark = error.problem_mark or error.context_mark if isinstance(error, MarkedYAMLError) else None
    if not isinstance(error, MarkedYAMLError) or mark is None:
        return f"files of --config-dir must be YAML; {_told(error)}"
    return f"{mark.name}, line {mark.line + 1} must be YAML; {', '.join(filter(None, (error.context, error.problem)))}"


def _is_of_hydra(error: BaseException) -> bool:
    """Whether Hydra or OmegaConf raised it: they assert what files hold."""
    frames = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(frames) and frames[-1].partition(".")[0] in ("hydra", "omegaconf")


def _undecodable(error: UnicodeDecodeError) -> str:
    """The file that Hydra was reading: it is the last that a frame of the traceback has open."""
    path = "one"
    for frame, _ in traceback.walk_tb(error.__traceback__):
        path = next((v.name for v in frame.f_locals.values() if isinstance(v, io.TextIOWrapper)), path)
    return str(path)


def _composition(error: ConfigCompositionException) -> str:
    text, cause = str(error), error.__cause__
    if match := re.match(r"In '(.+?)': (\w+) raised while composing config:\n(.*)", text):
        found = re.search(r"full_key: (\S+)", text)
        key = found[1] if found else ""
        if match[2] == "ConfigKeyError" and key:
            return f"{match[1]}.yaml must hold keys that there are; got '{key}'{_nearest(key, _known_keys())}"
        return f"{match[1]}.yaml must fit the schema{f' at {key}' if key else ''}; {match[3]}"
    if match := re.match(r"Could not override '(.+?)'", text):
        known = _known_keys()
        if match[1] in known:
            return f"{match[1]} must have keys that it has already; {first_line(cause or error)}: add others with '+'"
        return f"there is no key '{match[1]}'{_nearest(match[1], known)}"
    if match := re.match(r"Ambiguous value for argument '(.+?)=(.*)'", text):
        return (
            f"{match[1]} must be a single value without -m; got {match[2]}: add -m to sweep over the values, or quote "
            f"them as one: '{match[1]}=\"{match[2]}\"'"
        )
    if match := re.match(r"Error merging override (.+?)=(.*)", text):
        return f"{match[1]} must have the type of its default; got {match[2]}: {first_line(cause or error)}"
    return _told(error)


def _known_keys() -> list[str]:
    return list(_keys(OmegaConf.to_container(compose("config"))))


def _keys(content: Any, prefix: str = "") -> Iterator[str]:
    """Dotted keys of a configuration as plain containers."""
    for key, value in content.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{key}.")


def _nearest(word: str, words: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, words, n=1)
    return f": did you mean {close[0]!r}?" if close else ""
