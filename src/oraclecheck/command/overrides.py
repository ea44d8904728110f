"""The `KEY=VALUE` arguments of a command line: what they choose, what they sweep over, and what they must not be."""

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from hydra import compose
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString

from oraclecheck.command.schema import REPLACING

MOST_JOBS = 1_000_000
"""Jobs of a sweep: every one of them is composed before the first starts."""

_REFUSED = {
    "hydra.mode": "-m sweeps",
    "hydra.run": "paths.out is where everything is written",
    "hydra.searchpath": "--config-dir adds your own files",
    "hydra.sweep": "paths.out is where everything is written",
    "hydra.sweeper": "'-m KEY=VALUES' sweeps",
}

_OF_THE_RUN = re.compile(r"\+*(stage|combo|repeat|workers|gpu_slots|dry_run|logger(\.\w+)?|paths\.cache)=")


def parse(overrides: Sequence[str], multirun: bool) -> list[Override]:
    """The arguments, parsed; call it where Hydra is initialised.

    Args:
        overrides: The command line's `KEY=VALUE` arguments.
        multirun: Whether it sweeps (`-m`).

    Raises:
        ValueError: If an argument chooses what is no option, or a sweep has no jobs or too many.
        HydraException: If an argument cannot be parsed.
    """
    parsed = OverridesParser.create(_loader()).parse_overrides(list(overrides))
    jobs = 1
    for override in parsed:
        key = override.key_or_group
        if not key:
            raise ValueError(f"arguments must be KEY=VALUE; got {override.input_line!r}")
        for refused, mend in _REFUSED.items():
            if key == refused or key.startswith(f"{refused}."):
                raise ValueError(f"{refused} must be left as it is; got {override.input_line}: {mend}")
        if key == "hydra.launcher.n_jobs" and override.value() == 0:
            raise ValueError("hydra.launcher.n_jobs must be a number of processes, or -1 for one a core; got 0")
        if override.is_sweep_override():
            jobs *= _count(override) if multirun else 1
        elif override.value() == {} and key != "pruning.ratio" and not is_group(override):
            raise ValueError(f"{key} must be given a value; got {{}}, which would change nothing")
        _check_choice(override, multirun)
    if jobs > MOST_JOBS:
        raise ValueError(
            f"a sweep must have at most {MOST_JOBS:,} jobs; got {jobs:.3g}: give each a set of combinations, such as "
            '\'combo="0-999","1000-1999"\''
        )
    return parsed


def sweeper_params(parsed: Sequence[Override]) -> dict[str, Any]:
    """The values that the chosen files sweep over, by key: `hydra.sweeper.params`."""
    fixed = [line(override) for override in parsed if not override.is_sweep_override()]
    return dict(compose("config", overrides=fixed, return_hydra_config=True).hydra.sweeper.params or {})


def words(overrides: Sequence[str], hydra: Mapping[str, Any]) -> list[str]:
    """The arguments that say what a study is, without those that choose which runs to do and where copies go.

    With `-m` and what the study's runs are added, they are the command that goes on with it.

    Args:
        overrides: The arguments of the study.
        hydra: Hydra's own configuration, which knows the user's folders of files.
    """
    added = [source["path"] for source in hydra["runtime"]["config_sources"] if source["provider"] == "command-line"]
    folders = [word for path in added for word in ("--config-dir", os.path.relpath(path))]
    return [*folders, *(each for each in overrides if not _OF_THE_RUN.match(each) and each not in REPLACING)]


def alternatives(override: Override) -> list[str]:
    """An argument for each value that an argument sweeps over; the argument itself if it sweeps over none."""
    if not override.is_sweep_override():
        return [override.input_line or f"{override.get_key_element()}={override.get_value_element_as_str()}"]
    return [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]


def values(override: Override) -> list[Any]:
    """The value of an argument, or those it sweeps over."""
    swept = override.sweep_iterator() if override.is_sweep_override() else [override.value()]
    return [value.text if isinstance(value, QuotedString) else value for value in swept]


def _count(override: Override) -> int:
    """How many values an argument sweeps over.

    Raises:
        ValueError: If there is none, or they cannot be counted.
    """
    key, text = override.key_or_group, str(override.input_line).partition("=")[2]
    if override.is_interval_sweep():
        raise ValueError(f"{key} must list the values it sweeps over, such as 0,1 or range(2); got {text}")
    if override.is_range_sweep():
        swept = override.value()
        if not swept.step:  # type: ignore[union-attr]
            raise ValueError(f"{key} must sweep with a step that is not 0; got {text}")
        count = int(-((swept.start - swept.stop) // swept.step))  # type: ignore[union-attr, operator]
    else:
        count = sum(1 for _ in override.sweep_iterator())
    if count < 1:
        raise ValueError(f"{key} must sweep over at least one value; got {text}")
    return count


def _check_choice(override: Override, multirun: bool) -> None:
    """Refuse what is no name where a file is chosen: Hydra would merge an empty mapping into the default choice."""
    if override.is_delete() or not is_group(override) or (override.is_sweep_override() and not multirun):
        return
    options = _loader().get_group_options(override.key_or_group)
    for value in values(override):
        if not isinstance(value, str):
            got = "null" if value is None else value
            raise ValueError(f"{override.key_or_group} must be one of {', '.join(options)}; got {got}")


def is_group(override: Override) -> bool:
    """Whether an argument chooses among files."""
    return "." not in override.key_or_group and bool(_loader().get_group_options(override.key_or_group))


def line(override: Override) -> str:
    """An argument as it was given."""
    return str(override.input_line)


def _loader() -> Any:
    return GlobalHydra.instance().config_loader()
