"""The command line as Hydra has it: its arguments parsed, its errors in one sentence."""

import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

from hydra._internal.utils import get_args_parser  # Hydra keeps it to itself

from oraclecheck.command.composition import CONF, initialised

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


def tell(error: BaseException, config_dir: str | None = None, *, show_traceback: bool = False) -> None:
    """Say on stderr, in one sentence, what a user has to mend."""
    from oraclecheck.command.messages import explain

    if show_traceback:
        traceback.print_exception(error)
    with initialised(config_dir):
        print(f"oraclecheck: {explain(error)}", file=sys.stderr)
