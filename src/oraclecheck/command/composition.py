"""Hydra as oraclecheck starts it: each choice of files is read and merged once in a process, unless they change.

Hydra itself does that for every composition, of which a command has several and a sweep one more for each study: a
tenth of a second each. What files come to is the same whatever values a command line gives: these are set in a copy.
"""

import copy
import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# What Hydra keeps to itself: how it composes, and search paths other than those of a program.
from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra._internal.config_repository import CachingConfigRepository, IConfigRepository
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.default_element import ResultDefault
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.plugins.config_source import ConfigResult
from hydra.types import RunMode
from omegaconf import DictConfig, open_dict

from oraclecheck.files import FileState, file_state

PACKAGE = Path(__file__).parent.parent
CONF = PACKAGE / "conf" if (PACKAGE / "conf").is_dir() else PACKAGE.parent.parent / "conf"
"""In a wheel the configuration lies inside the package, in a checkout beside `src/`."""

Key = tuple[Any, ...]
States = tuple[FileState | None, ...]
"""Of the files of a configuration's name, in each folder that may have one."""

_read: dict[Key, ConfigResult | None] = {}
_merged: dict[Key, tuple[dict[str, States], bytes]] = {}
"""Pickled, which OmegaConf reads four times faster than it copies."""


@contextmanager
def initialised(config_dir: str | None = None) -> Iterator[Hydra]:
    """Hydra ready to compose, with a user's `--config-dir` among the places to look in."""
    version.setbase("1.3")
    path = create_config_search_path(str(CONF))
    if config_dir:
        path.prepend("command-line", f"file://{Path(config_dir).absolute()}", SearchPathQuery(provider="schema"))
    hydra = Hydra("oraclecheck", _Loader(path))
    GlobalHydra.instance().initialize(hydra)
    try:
        yield hydra
    finally:
        GlobalHydra.instance().clear()


class _Loader(ConfigLoaderImpl):
    """Composes configurations: values are set in what files come to."""

    def _load_configuration_impl(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        parsed = OverridesParser.create().parse_overrides(overrides)
        if validate_sweep_overrides:
            self.validate_sweep_overrides_legal(parsed, run_mode, from_shell)
        single = [each for each in parsed if not each.is_sweep_override()]
        choices = [each for each in single if self._chooses_file(each)]
        cfg = self._of_files(config_name, [str(each.input_line) for each in choices], run_mode)
        self._apply_overrides_to_config([each for each in single if each not in choices], cfg)
        own, task = cfg.hydra, [each for each in parsed if not each.is_hydra_override()]
        with open_dict(own):
            own.runtime.cwd = os.getcwd()
            own.job.env_set.update({name: os.environ[name] for name in own.job.env_copy})
            own.job.override_dirname = get_overrides_dirname(task, **own.job.config.override_dirname)
            own.overrides.hydra = [each.input_line for each in parsed if each.is_hydra_override()]
            own.overrides.task = [each.input_line for each in task]
        return cfg

    def _chooses_file(self, override: Override) -> bool:
        return not isinstance(override.value(), dict) and self.repository.group_exists(override.key_or_group)

    def _of_files(self, config_name: str | None, choices: list[str], run_mode: RunMode) -> DictConfig:
        """What the files come to that are chosen."""
        self._files = _Files(self.repository)
        key = (self._files.places, config_name, *choices, run_mode)
        states, pickled = _merged.get(key, ({}, b""))
        if not pickled or any(self._files.states(path) != known for path, known in states.items()):
            composed: DictConfig = super()._load_configuration_impl(config_name, choices, run_mode)
            try:
                pickled = pickle.dumps(composed)
            except pickle.PicklingError:  # of a launcher that a worker has imported twice: its classes are others now
                return composed
            _merged[key] = self._files.met, pickled
        cfg: DictConfig = pickle.loads(pickled)
        return cfg

    def _parse_overrides_and_create_caching_repo(self, config_name: str | None, overrides: list[str]) -> Any:
        return OverridesParser.create().parse_overrides(overrides), self._files

    def _compose_config_from_defaults_list(self, defaults: list[ResultDefault], repo: IConfigRepository) -> DictConfig:
        return super()._compose_config_from_defaults_list(defaults, _Copies(repo))  # merging changes what it is given

    def get_group_options(self, group_name: str, *arguments: Any, **named: Any) -> list[str]:
        """Names of a group's files."""
        return self.repository.get_group_options(group_name, *arguments, **named)


class _Files(CachingConfigRepository):
    """Configurations as files have them, each read again only where its files have changed."""

    def __init__(self, delegate: IConfigRepository) -> None:
        self.delegate = delegate
        self.places = tuple((source.scheme(), source.path, source.provider) for source in self.get_sources())
        self.met: dict[str, States] = {}  # as they were when a configuration was read

    def states(self, config_path: str) -> States:
        name = config_path if config_path.endswith(".yaml") else f"{config_path}.yaml"
        return tuple(file_state(os.path.join(place, name)) for scheme, place, _ in self.places if scheme == "file")

    def load_config(self, config_path: str) -> ConfigResult | None:
        states = self.met.setdefault(config_path, self.states(config_path))
        key = (self.places, config_path, states)
        if key not in _read:
            _read[key] = self.delegate.load_config(config_path)
        return _read[key]


class _Copies(CachingConfigRepository):
    """Copies of configurations."""

    def __init__(self, delegate: IConfigRepository) -> None:
        self.delegate = delegate

    def load_config(self, config_path: str) -> ConfigResult | None:
        return copy.deepcopy(self.delegate.load_config(config_path))
