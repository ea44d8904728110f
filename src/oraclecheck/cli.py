"""The command line: check everything first, let Hydra run the jobs, then say what is missing.

Importing this module costs next to nothing, so that `--help` and tab completion answer at once.
"""

import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import hydra

# What Hydra keeps to itself: its argument parser, and search paths other than those of a program.
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path, get_args_parser
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from oraclecheck import __version__
from oraclecheck.command import schema as config

PACKAGE = Path(__file__).parent
CONF = PACKAGE / "conf" if (PACKAGE / "conf").is_dir() else PACKAGE.parent.parent / "conf"
"""In a wheel the configuration lies inside the package, in a checkout beside `src/`."""

JOBLIB = "hydra/launcher=joblib"

USER_ERROR, INCOMPLETE, INTERRUPTED, TERMINATED = 2, 1, 130, 143


def job(cfg: DictConfig) -> None:
    """What Hydra runs once for each job, maybe in another process."""
    from oraclecheck.command.orphans import end_with_parent
    from oraclecheck.experiment import run

    end_with_parent()
    run(cfg)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; returns its exit code.

    0: every run it asks for has a record. 1: some have not, and a line says how many. 2: nothing was run because of
    the user's input, and a line says why. HYDRA_FULL_ERROR=1 shows tracebacks.
    """
    arguments = [config.quoted(argument) for argument in (sys.argv[1:] if argv is None else argv)]
    if "--version" in arguments:
        print(f"oraclecheck {__version__}")
        return 0
    show_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    try:
        parsed = _parse(arguments)
    except ValueError as error:
        print(f"oraclecheck: {error}", file=sys.stderr)
        return USER_ERROR
    os.environ["HYDRA_FULL_ERROR"] = "1"  # makes Hydra raise, so that we can say it in one sentence
    config.register()
    only_shows = parsed.help or parsed.hydra_help or parsed.cfg or parsed.info or parsed.shell_completion
    try:
        if only_shows:
            _launch(arguments)
            return 0
        return _run(parsed, show_traceback)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        _tell(error, parsed, show_traceback)
        return USER_ERROR
    finally:
        os.environ["HYDRA_FULL_ERROR"] = "1" if show_traceback else "0"


def _parse(arguments: list[str]) -> Any:
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


def _run(parsed: Any, show_traceback: bool) -> int:
    """Check, launch, and count what is missing then."""
    # Killed alone, a joblib parent would leave workers behind that go on taking jobs.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    stopped = 0
    from oraclecheck.command import overrides, sweep
    from oraclecheck.command.progress import SweepProgress

    with _initialised(parsed):
        commands = overrides.commands(parsed.overrides, parsed.multirun)
        parts = [part for command in commands for part in sweep.plan(command, parsed.multirun)]
    if all(part.is_done() for part in parts):
        print("Nothing to do: every run has its record.", file=sys.stderr)
    else:
        try:
            with SweepProgress(parts):
                for command in commands:
                    try:
                        _launch([*_options(parsed), *command])
                    except Exception as error:
                        _tell(error, parsed, show_traceback)
        except (KeyboardInterrupt, SystemExit) as stop:  # Lightning turns the first into the second
            stopped = TERMINATED if getattr(stop, "code", None) == TERMINATED else INTERRUPTED
    for line in sweep.summary(parts):
        print(line)
    complaint = sweep.complaint(parts)
    if complaint:
        print(f"oraclecheck: {complaint}", file=sys.stderr)
    return stopped or (INCOMPLETE if complaint else 0)


def _options(parsed: Any) -> list[str]:
    """What Hydra has to be told besides `KEY=VALUE`."""
    folder = ["--config-dir", parsed.config_dir] if parsed.config_dir else []
    return [*folder, *["--multirun"] * bool(parsed.multirun)]


def _launch(arguments: list[str]) -> None:
    """Let Hydra compose and run the jobs, here or wherever its launcher puts them."""
    if JOBLIB in arguments:
        # joblib groups jobs that were quick, as done ones are, and then one worker gets many that train
        at = arguments.index(JOBLIB) + 1
        arguments = [*arguments[:at], "hydra.launcher.batch_size=1", *arguments[at:]]
    before, sys.argv = sys.argv, ["oraclecheck", *config.replacing(arguments)]
    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(job)()
    finally:
        sys.argv = before


@contextmanager
def _initialised(parsed: Any) -> Iterator[None]:
    """Hydra ready to compose, with a user's `--config-dir` among the places to look in."""
    with hydra.initialize_config_dir(config_dir=str(CONF), version_base="1.3"):
        if parsed.config_dir:
            path = create_config_search_path(str(CONF))
            folder = f"file://{Path(parsed.config_dir).absolute()}"
            path.prepend("command-line", folder, anchor=SearchPathQuery(provider="schema"))
            GlobalHydra.instance().clear()
            Hydra.create_main_hydra2("oraclecheck", path)
        yield


def _tell(error: BaseException, parsed: Any, show_traceback: bool) -> None:
    from oraclecheck.command.messages import explain

    if show_traceback:
        traceback.print_exception(error)
    with _initialised(parsed):
        print(f"oraclecheck: {explain(error)}", file=sys.stderr)
