"""Sweeps of a few digits that can be killed, starved and cut short, and what is wrong with what they leave."""

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forks import FORKS
from quick import QUICK

from faults import journal
from oraclecheck.cli import main

HERE = Path(__file__).parent

SWEEP = ("-m", *QUICK, "combo=range(3)", 'repeat="0,1"', "logger=none")
"""Six runs, done in this process."""

BASIC = ("hydra/launcher=basic",)
JOBLIB = ("hydra/launcher=joblib", "workers=2")
RAY = ("hydra/launcher=ray", "workers=2", "+hydra.launcher.ray.init.num_cpus=2")

OVERLAPPING = ("-m", *QUICK, "combo=range(1,4)", 'repeat="0,1"', "logger=none")
"""Six runs, four of them runs of `SWEEP`."""

JOURNAL, SAID = "journal", "said"
PYTHONPATH = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
NOBODY = 65534
ORPHANS_SECONDS = 60.0  # within which workers whose parent was killed end


@dataclass(frozen=True)
class Undisturbed:
    """What a sweep leaves that nothing happens to: its folder, its records and its files."""

    folder: Path
    records: dict[str, dict[str, Any]]
    files: set[str]

    @classmethod
    def of(cls, folder: Path) -> "Undisturbed":
        """Do `SWEEP` and `OVERLAPPING` in an empty folder, with nothing in their way."""
        for sweep in (SWEEP, OVERLAPPING):
            process = in_a_process(folder, sweep)
            process.join()
            assert process.exitcode == 0, (folder / SAID).read_text()
        return cls(folder, outcomes(folder), files(folder))

    def wrong(self, folder: Path, sweeps: Collection[tuple[str, ...]] = (SWEEP,)) -> tuple[int, int, int, int]:
        """Runs lost, doubled and different, and files left over, where these sweeps were done in spite of all."""
        asked = {run for sweep in sweeps for run in runs_of(sweep)}
        found = outcomes(folder)
        lost = asked - found.keys()
        different = [run for run in found if found[run] != self.records.get(run)]
        doubled = {seed for event, seed, _ in journal.events(folder / JOURNAL) if event == "doubled"}
        return len(lost), len(doubled), len(different), len(files(folder) - self.files)


def runs_of(sweep: tuple[str, ...]) -> list[str]:
    """The runs of `SWEEP` or `OVERLAPPING`, as their folders are called."""
    combinations = range(1, 4) if sweep[: len(OVERLAPPING)] == OVERLAPPING else range(3)
    return [f"{combination}/{repeat}" for combination in combinations for repeat in (0, 1)]


def outcomes(folder: Path) -> dict[str, dict[str, Any]]:
    """Every record without what differs from run to run: clock and durations; what is no JSON is {}."""
    found = {}
    for path in sorted(folder.glob("multirun/lenet*/*/*/record.json")):
        record = {}
        with suppress(ValueError):
            record = json.loads(path.read_text())
        kept = {name: value for name, value in record.items() if not name.startswith(("duration_", "started_at"))}
        found[f"{path.parent.parent.name}/{path.parent.name}"] = kept
    return found


def files(folder: Path) -> set[str]:
    """Files of the sweeps, but for what says which of them were asked for."""
    paths = (path.relative_to(folder) for path in (folder / "multirun").rglob("*") if not path.is_dir())
    return {str(path) for path in paths if not (path.match("lenet*/asked-*.json") and len(path.parts) == 3)}


def in_a_process(
    folder: Path, sweep: tuple[str, ...], *, most_bytes: int | None = None, clock: float = 0.0, as_nobody: bool = False
) -> Any:
    """Run a command line in a forked process that keeps the journal.

    Args:
        folder: Where; it says what it has to say in a file there.
        sweep: The command line.
        most_bytes: That its files may have, which is how a disk that is full looks to whoever writes.
        clock: By so many seconds its clock is wrong.
        as_nobody: Whether it gives up root's right to write everywhere.
    """
    process = FORKS.Process(target=_run, args=(str(folder), sweep, most_bytes, clock, as_nobody))
    process.start()
    return process


def _run(folder: str, sweep: tuple[str, ...], most_bytes: int | None, clock: float, as_nobody: bool) -> None:
    os.chdir(folder)
    os.setpgrp()
    with open(SAID, "ab") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    os.environ["ORACLECHECK_JOURNAL"] = str(Path(folder, JOURNAL))  # for workers of launchers
    os.environ |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), str(HERE.parent), str(HERE.parent / "support"), *PYTHONPATH])
    journal.install(Path(folder, JOURNAL))
    if as_nobody and os.getuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    if most_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, resource.RLIM_INFINITY))
    if clock:
        now = time.time
        time.time = lambda: now() + clock
    sys.exit(main(sweep))


def wait_for_events(folder: Path, count: int, process: Any) -> None:
    """Wait until the journal has so many lines, or the process has ended."""
    while len(journal.events(folder / JOURNAL)) < count and process.exitcode is None:
        time.sleep(0.01)


def workers(folder: Path) -> list[int]:
    """Processes of the journal that live."""
    born = [process for event, _, process in journal.events(folder / JOURNAL) if event == "born"]
    return [process for process in born if journal.lives(process)]


def wait_for_orphans(folder: Path) -> None:
    """Wait until no process of the journal lives."""
    end = time.monotonic() + ORPHANS_SECONDS
    while workers(folder) and time.monotonic() < end:
        time.sleep(0.1)
    assert not workers(folder), "a worker outlives its sweep"


def at_work(folder: Path) -> list[int]:
    """Those of them that have begun a run; all where none has."""
    begun = {process for event, _, process in journal.events(folder / JOURNAL) if event == "begin"}
    alive = workers(folder)
    return [process for process in alive if process in begun] or alive


def kill(process: int) -> None:
    """kill -9, if it is there."""
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
