"""The command line: Hydra composes what it asks for, the sweep does it.

Importing this module costs next to nothing, so that `--help` and tab completion answer at once.
"""

import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

import hydra
from omegaconf import DictConfig

from oraclecheck import __version__
from oraclecheck.command import schema
from oraclecheck.command.arguments import parse, quoted, tell
from oraclecheck.command.composition import CONF, initialised
from oraclecheck.exits import INTERRUPTED, TERMINATED, USER_ERROR


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; returns its exit code.

    0: every run it asks for has a record. 1: some have not, and a line says how many. 2: nothing was run because of
    the user's input, and a line says why. HYDRA_FULL_ERROR=1 shows tracebacks.
    """
    arguments = [quoted(argument) for argument in (sys.argv[1:] if argv is None else argv)]
    if "--version" in arguments:
        print(f"oraclecheck {__version__}")
        return 0
    show_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    try:
        parsed = parse(arguments)
    except ValueError as error:
        print(f"oraclecheck: {error}", file=sys.stderr)
        return USER_ERROR
    os.environ["HYDRA_FULL_ERROR"] = "1"  # makes Hydra raise, so that we can say it in one sentence
    schema.register()
    try:
        return _run(parsed, arguments, show_traceback)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        tell(error, parsed.config_dir, show_traceback=show_traceback)
        return USER_ERROR
    finally:
        os.environ["HYDRA_FULL_ERROR"] = "1" if show_traceback else "0"


def _run(parsed: Any, arguments: list[str], show_traceback: bool) -> int:
    """Check the arguments, let Hydra compose them, and do what they say."""
    if parsed.help or parsed.hydra_help or parsed.cfg or parsed.info or parsed.shell_completion:
        _show(arguments)
        return 0
    # Killed alone, a sweep would leave workers behind that go on.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    from oraclecheck.command import overrides
    from oraclecheck.sweep import Command

    command = Command(show_traceback)

    def task(cfg: DictConfig) -> None:
        command(cfg)

    task.command = command  # type: ignore[attr-defined]  # for our sweeper
    with initialised(parsed.config_dir) as app:
        overrides.parse(parsed.overrides, parsed.multirun)
        run, mode = (app.multirun, "MULTIRUN") if parsed.multirun else (app.run, "RUN")
        run("config", task, [*schema.replacing(parsed.overrides), f"hydra.mode={mode}"])
    return command.code()


def _show(arguments: list[str]) -> None:
    """Let Hydra itself tell what it would compose."""
    before, sys.argv = sys.argv, ["oraclecheck", *schema.replacing(arguments)]
    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(lambda cfg: None)()
    finally:
        sys.argv = before
