"""The command line: check everything first, let Hydra run the jobs, then say what is missing.

Importing this module costs next to nothing, so that `--help` and tab completion answer at once.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from functools import cache
from typing import Any

import hydra
from omegaconf import DictConfig

from oraclecheck import __version__
from oraclecheck.command import schema
from oraclecheck.command.arguments import (
    CONF,
    INCOMPLETE,
    INTERRUPTED,
    TERMINATED,
    USER_ERROR,
    initialised,
    parse,
    quoted,
    tell,
)

JOBLIB = "hydra/launcher=joblib"

POLL_SECONDS = 2.0  # between looks whether the sweep is still there


def job(cfg: DictConfig) -> None:
    """What Hydra runs once for each job, maybe in another process."""
    from oraclecheck.experiment import run

    _end_with_parent()
    run(cfg)


@cache
def _end_with_parent() -> None:
    """In a joblib worker, end this process soon after its parent is gone: it would idle for minutes, holding memory.

    Nothing is lost: records are atomic, and a run that had not left its record is run again.
    """
    import multiprocessing

    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL_SECONDS)
        os._exit(1)

    if multiprocessing.current_process().name.startswith("LokyProcess"):
        threading.Thread(target=watch, daemon=True).start()


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
    only_shows = parsed.help or parsed.hydra_help or parsed.cfg or parsed.info or parsed.shell_completion
    try:
        if only_shows:
            _launch(arguments)
            return 0
        return _run(parsed, show_traceback)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        tell(error, parsed.config_dir, show_traceback=show_traceback)
        return USER_ERROR
    finally:
        os.environ["HYDRA_FULL_ERROR"] = "1" if show_traceback else "0"


def _run(parsed: Any, show_traceback: bool) -> int:
    """Check, launch, and count what is missing then."""
    # Killed alone, a joblib parent would leave workers behind that go on taking jobs.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    from oraclecheck.command import overrides, sweep
    from oraclecheck.command.progress import SweepProgress

    with initialised(parsed.config_dir):
        commands = overrides.commands(parsed.overrides, parsed.multirun)
        parts = [part for command in commands for part in sweep.plan(command, parsed.multirun)]
    options = ["--config-dir", parsed.config_dir] if parsed.config_dir else []
    options += ["--multirun"] if parsed.multirun else []
    stopped = 0
    if all(part.missing() == [] for part in parts):
        print("Nothing to do: every run has its record.", file=sys.stderr)
    else:
        try:
            with SweepProgress(parts):
                for command in commands:
                    try:
                        _launch([*options, *command])
                    except Exception as error:
                        tell(error, parsed.config_dir, show_traceback=show_traceback)
        except (KeyboardInterrupt, SystemExit) as stop:  # Lightning turns the first into the second
            stopped = TERMINATED if getattr(stop, "code", None) == TERMINATED else INTERRUPTED
    for line in sweep.summary(parts):
        print(line)
    complaint = sweep.complaint(parts)
    if complaint:
        print(f"oraclecheck: {complaint}", file=sys.stderr)
    return stopped or (INCOMPLETE if complaint else 0)


def _launch(arguments: list[str]) -> None:
    """Let Hydra compose and run the jobs, here or wherever its launcher puts them."""
    if JOBLIB in arguments:
        # joblib groups jobs that were quick, as done ones are, and then one worker gets many that train
        at = arguments.index(JOBLIB) + 1
        arguments = [*arguments[:at], "hydra.launcher.batch_size=1", *arguments[at:]]
    before, sys.argv = sys.argv, ["oraclecheck", *schema.replacing(arguments)]
    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(job)()
    finally:
        sys.argv = before
