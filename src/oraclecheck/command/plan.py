"""What a command line asks for: for each of its studies one composed configuration and the runs to do."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from hydra import compose
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from oraclecheck.command.interpret import COMBINATION_NAMES, interpret, parse_repeats
from oraclecheck.command.overrides import alternatives, is_group, line, parse, sweeper_params, values, words
from oraclecheck.command.request import Request
from oraclecheck.command.sets import parse_set, spell_set


@dataclass(frozen=True)
class Share:
    """One study of a sweep, as its workers are told of it.

    Attributes:
        config: The composed configuration; its `combo` and `repeat` are the sets that were swept over.
        words: The arguments that say what the study is, for the command that goes on with it.
        given: Keys that the command line itself gives.
    """

    config: DictConfig
    words: tuple[str, ...]
    given: frozenset[str]

    def request(self) -> Request:
        """What it asks for, as checked values."""
        return interpret(self.config, self.given)

    def resolve(self) -> None:
        """Put values in the place of what depends on the machine: where workers are, that may be another one."""
        OmegaConf.resolve(self.config)
        engine = self.request().setting.engine
        self.config.engine.name, self.config.engine.networks = engine.name, engine.networks or "auto"

    def described(self) -> dict[str, Any]:
        """The configuration, for the study's file, but for where copies go, which may hold what is secret."""
        described: Any = OmegaConf.to_container(self.config, resolve=True, enum_to_str=True)
        return {key: value for key, value in described.items() if key != "logger"}


def share_of(config: DictConfig, overrides: Sequence[str], hydra: Mapping[str, Any]) -> Share:
    """The study that a composed configuration is.

    Args:
        config: The configuration.
        overrides: The arguments that it was composed with.
        hydra: Hydra's own configuration.
    """
    keys = [override.key_or_group for override in parse(overrides, multirun=False)]
    return Share(config, tuple(words(overrides, hydra)), frozenset(keys))


def plan(overrides: Sequence[str], hydra: Mapping[str, Any]) -> list[Share]:
    """The studies of a sweep: what is swept over but for `combo` and `repeat`, whose values are joined in each.

    Args:
        overrides: The sweep's `KEY=VALUE` arguments, but for Hydra's own.
        hydra: Hydra's own configuration.

    Raises:
        ValueError: If there are too many, or `combo` or `repeat` is no set.
        HydraException: If a study cannot be composed.
    """
    parsed = parse(overrides, multirun=True)
    files = [override for override in parsed if override.is_sweep_override() and is_group(override)]
    others = [override for override in parsed if override not in files]
    shares = []
    for choice in product(*map(alternatives, files)):
        # what the chosen files sweep over comes first: of two arguments with the same key the last one counts
        chosen = [*map(line, others), *choice]
        brought = [f"{key}={value}" for key, value in sweeper_params(parse(chosen, multirun=True)).items()]
        last: dict[str, Override] = {}
        for override in parse([*brought, *chosen], multirun=True):
            last.pop(override.get_key_element(), None)  # in its place stands what was put before it, such as ++KEY=null
            last[override.get_key_element()] = override
        shares.extend(_shares(list(last.values()), hydra))
    return shares


def _shares(parsed: Sequence[Override], hydra: Mapping[str, Any]) -> list[Share]:
    """The studies that a choice of files stands for."""
    runs = {override.key_or_group: values(override) for override in parsed if override.key_or_group in _JOINED}
    joined = [f"{key}={_JOINED[key](swept)!r}" for key, swept in runs.items()]
    varied = [alternatives(each) for each in parsed if each.key_or_group not in runs]
    shares = []
    for words_of_one in product(*varied):
        overrides = [*words_of_one, *joined]
        shares.append(share_of(compose("config", overrides=overrides), overrides, hydra))
    return shares


def _join_combinations(swept: Collection[int | str]) -> str:
    members = [member for value in swept for member in parse_set(value, "combo", COMBINATION_NAMES)]
    return spell_set(list(dict.fromkeys(members)))


def _join_repeats(swept: Collection[int | str]) -> str:
    return spell_set(parse_repeats(list(swept)))


_JOINED = {"combo": _join_combinations, "repeat": _join_repeats}
"""Keys whose swept values become one set in each study."""
