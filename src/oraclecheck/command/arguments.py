"""The command line as Hydra has it: its arguments parsed, its configuration composed, its errors in one sentence."""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import hydra

# What Hydra keeps to itself: its argument parser, and search paths other than those of a program.
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path, get_args_parser
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra

PACKAGE = Path(__file__).parent.parent
CONF = PACKAGE / "conf" if (PACKAGE / "conf").is_dir() else PACKAGE.parent.parent / "conf"
"""In a wheel the configuration lies inside the package, in a checkout beside `src/`."""

USER_ERROR, INCOMPLETE, INTERRUPTED, TERMINATED = 2, 1, 130, 143
"""Exit codes."""


def parse(arguments: list[str]) -> Any:
    """The arguments as Hydra's own parser has them, with options before and behind the `KEY=VALUE` ones.

    Raises:
        ValueError: If there is an option that this program does not take.
    """
    parser = get_args_parser()

    def refuse(message: str) -> NoReturn:
        raise ValueError(f"{message}: --help shows what can be said")

    parser.error = refuse  # type: ignore[method-assign]
    parsed = parser.parse_intermixed_args(arguments)
    if parsed.config_name or parsed.config_path:
        raise ValueError("--config-name and --config-path must not be used; add your own files with --config-dir")
    if parsed.experimental_rerun:
        raise ValueError("--experimental-rerun must not be used; the same command again runs what is missing")
    if parsed.run and parsed.multirun:
        raise ValueError("--run and --multirun must not be given together")
    if parsed.config_dir is not None:
        _check_config_dir(Path(parsed.config_dir))
    return parsed


def quoted(argument: str) -> str:
    """A `KEY=VALUE` argument whose value Hydra can read: its grammar knows letters beyond ASCII in quotes only."""
    key, equals, value = argument.partition("=")
    if not equals or key.startswith("-") or value.isascii() or any(sign in value for sign in "'\"\\,()[]{}$"):
        return argument
    return f"{key}='{value}'"


def _check_config_dir(folder: Path) -> None:
    """Refuse a folder of the user's that is none, or whose files would be passed over for ours of the same name."""
    if not folder.is_dir():
        raise ValueError(f"--config-dir must be a folder; got {folder}")
    for path in sorted(CONF.rglob("*.yaml")):
        if (folder / path.relative_to(CONF)).is_file() and not folder.samefile(CONF):
            raise ValueError(
                f"--config-dir must not hold files with the names of oraclecheck's own, which come first; got "
                f"{folder / path.relative_to(CONF)}: give it another name"
            )


@contextmanager
def initialised(config_dir: str | None = None) -> Iterator[None]:
    """Hydra ready to compose, with a user's `--config-dir` among the places to look in."""
    with hydra.initialize_config_dir(config_dir=str(CONF), version_base="1.3"):
        if config_dir:
            path = create_config_search_path(str(CONF))
            path.prepend(
                "command-line", f"file://{Path(config_dir).absolute()}", anchor=SearchPathQuery(provider="schema")
            )
            GlobalHydra.instance().clear()
            Hydra.create_main_hydra2("oraclecheck", path)
        yield


def tell(error: BaseException, config_dir: str | None = None, *, show_traceback: bool = False) -> None:
    """Say on stderr, in one sentence, what a user has to mend."""
    from oraclecheck.command.messages import explain

    if show_traceback:
        traceback.print_exception(error)
    with initialised(config_dir):
        print(f"oraclecheck: {explain(error)}", file=sys.stderr)
