"""The command line whose configuration a study's is."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from oraclecheck.cli import CONF
from oraclecheck.command import schema
from oraclecheck.command.messages import USER_ERRORS

if TYPE_CHECKING:
    import pandas as pd

# What a study is not made of: which runs to do now, and where their copies go.
_OF_THE_RUN = ("stage", "combo", "repeat", "logger", "paths.cache")

# Replaced as a whole: its keys are the layers.
_WHOLE = ("pruning.ratio",)


def sweep_command(config: Mapping[str, Any], combos: Sequence[int], repeats: Sequence[int]) -> str:
    """The command that runs these combinations and repeats of a study; empty if none is known to.

    It is composed and compared, so what it says is what it does: a configuration with files of the user's own, or of
    another version, may have none.

    Args:
        config: Configuration in the study's study.json.
        combos: Indices of combinations.
        repeats: Their repeats.
    """
    if not all(isinstance(config.get(group), Mapping) and "name" in config[group] for group in ("model", "data")):
        return ""
    schema.register()
    with initialize_config_dir(config_dir=str(CONF), version_base="1.3"):
        try:
            overrides = _overrides(config)
            if list(_differences(config, _composed(*overrides))) or not all(map(_reaches, _recipes(config, overrides))):
                return ""
        except (*USER_ERRORS, KeyError):
            return ""
    words = [
        *overrides,
        f"combo={_indices(combos)}",
        *([f"repeat={_indices(repeats)}"] if list(repeats) != [0] else []),
    ]
    return shlex.join(["python", "-m", "oraclecheck", "-m", *words])


def sweep_commands(runs: "pd.DataFrame", settings: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Study -> the command for the combinations and repeats that its runs are of, where one is known.

    Args:
        runs: One row per record.
        settings: Study -> content of its study.json (`study.read_settings`).
    """
    commands = {}
    for study, rows in runs[runs["picked_by"].isna() & runs["combo"].notna()].groupby("study"):
        config = settings.get(str(study), {}).get("config", {})
        commands[str(study)] = sweep_command(config, rows["combo"].unique().tolist(), rows["repeat"].unique().tolist())
    return commands


def _overrides(config: Mapping[str, Any]) -> list[str]:
    groups = [f"model={config['model']['name']}"]
    if _composed(*groups)["data"]["name"] != config["data"]["name"]:
        groups.append(f"data={config['data']['name']}")
    return [*groups, *(f"{key}={_spelt(value)}" for key, value in _differences(config, _composed(*groups)))]


def _recipes(config: Mapping[str, Any], overrides: Sequence[str]) -> list[Mapping[str, Any]]:
    """The recipes whose rates the command line itself gives."""
    groups = ("pretrain", "retrain")
    return [config[group] for group in groups if any(given.startswith(f"{group}.lr=") for given in overrides)]


def _reaches(recipe: Mapping[str, Any]) -> bool:
    """Whether the epochs reach every rate; a file may have more, a command line may not."""
    return all(int(pair.partition(":")[0]) < recipe["epochs"] for pair in recipe["lr"].split(","))


@cache
def _composed(*overrides: str) -> Any:
    return OmegaConf.to_container(compose("config", overrides=list(overrides)), resolve=True, enum_to_str=True)


def _differences(config: Mapping[str, Any], other: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys of the first whose values differ in the second.

    Raises:
        KeyError: If the second lacks one.
    """
    for name, value in config.items():
        key = f"{prefix}{name}"
        if key in _OF_THE_RUN:
            continue
        if isinstance(value, Mapping) and isinstance(other[name], Mapping) and key not in _WHOLE:
            yield from _differences(value, other[name], f"{key}.")
        elif value != other[name]:
            yield key, value


def _spelt(value: Any) -> str:
    """A value in Hydra's grammar."""
    if isinstance(value, str):
        bare = re.fullmatch(r"[\w./-]+", value, re.ASCII)
        return value if bare else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_spelt(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_spelt, value)) + "]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _indices(indices: Sequence[int]) -> str:
    """A sweep over the indices: range(n) where they are the first n."""
    wanted = sorted(set(indices))
    if wanted == list(range(len(wanted))) and len(wanted) > 1:
        return f"range({len(wanted)})"
    return ",".join(map(str, wanted))
