"""Progress of a sweep, read off the records on disk: the same for every launcher, and true after a crash."""

import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from oraclecheck.command.request import Request
from oraclecheck.records.store import read_record

POLL_SECONDS = 1.0
LINE_SECONDS = 20.0  # between lines where stderr is not a terminal


class SweepProgress(threading.Thread):
    """Shows how many of a sweep's runs are done while the sweep goes on: a bar on a terminal, else lines.

    Use it as a context manager around the sweep.

    Args:
        parts: What the sweep asks for.
    """

    def __init__(self, parts: Sequence[Request]) -> None:
        super().__init__(daemon=True)
        missing = [part.missing() for part in parts]
        self.total = sum(part.size if m is None else len(m) for part, m in zip(parts, missing, strict=True))
        self.done = self.failed = 0
        self._unresolved, self._outstanding = list(parts), set[Path]()
        self._began = self._retraining_since = time.time()
        self._over = threading.Event()

    def __enter__(self) -> "SweepProgress":
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        """Poll until the sweep is over."""
        if not self.total:
            return
        if sys.stderr.isatty():
            self._show_bar()
        else:
            self._print_lines()

    def poll(self) -> None:
        """Count the records that are new since the start; one that says its run failed is no run that is done."""
        for part in list(self._unresolved):
            paths = part.paths()
            if paths is not None:  # else its dense network is being trained
                self._unresolved.remove(part)
                self._outstanding.update(paths)
        if self._unresolved:
            self._retraining_since = time.time()
        new = {path for path in self._outstanding if self._is_new(path)}
        self._outstanding -= new
        failed = sum(map(_has_failed, new))
        self.failed += failed
        self.done += len(new) - failed

    def _is_new(self, path: Path) -> bool:
        try:
            return path.stat().st_mtime >= self._began
        except FileNotFoundError:
            return False

    def _show_bar(self) -> None:
        columns = (
            TextColumn("retraining{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), refresh_per_second=2) as bar:
            task = bar.add_task("", total=self.total)
            over = False
            while not over:
                over = self._over.wait(POLL_SECONDS)
                self.poll()
                bar.update(task, completed=self.done, description=self._failures())

    def _print_lines(self) -> None:
        printed = 0
        while not self._over.wait(LINE_SECONDS):
            self.poll()
            over = self.done + self.failed
            if over > printed:
                printed = over
                left = (time.time() - self._retraining_since) / over * (self.total - over)
                line = f"{self.done} of {self.total} runs done{self._failures()}, about {_spell(left)} left"
                print(line, file=sys.stderr, flush=True)

    def _failures(self) -> str:
        return f", {self.failed} failed" if self.failed else ""


def _has_failed(path: Path) -> bool:
    try:
        return read_record(path).status == "failed"
    except (OSError, ValueError):  # what is no record does not count as done either
        return True


def _spell(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
