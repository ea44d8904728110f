"""What a command does while a user waits for it, said only if it takes long."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE_SECONDS = 2.0
LINE_SECONDS = 20.0  # between lines where stderr is not a terminal


@contextmanager
def waiting(for_what: str, total: int | None = None) -> Iterator[Callable[[], None]]:
    """Say on stderr what takes so long: a bar or spinner on a terminal, else a line now and then.

    Args:
        for_what: What is being done.
        total: Its parts, if there are parts; call what is given after each.
    """
    work = _Work(for_what, total)
    work.start()
    try:
        yield work.step
    finally:
        work.over.set()
        work.join()


class _Work(threading.Thread):
    def __init__(self, name: str, total: int | None) -> None:
        super().__init__(daemon=True)
        self.what, self.total, self.done, self.over = name, total, 0, threading.Event()

    def step(self) -> None:
        self.done += 1

    def run(self) -> None:
        if self.over.wait(PATIENCE_SECONDS):
            return
        if sys.stderr.isatty():
            self._show()
            return
        while True:
            count = f" ({self.done} of {self.total})" if self.total else ""
            print(f"oraclecheck: {self.what}{count} ...", file=sys.stderr, flush=True)
            if self.over.wait(LINE_SECONDS):
                return

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        words = (TextColumn("{task.description}"), TimeElapsedColumn())
        parts = (BarColumn(), MofNCompleteColumn()) if self.total else (SpinnerColumn(),)
        with Progress(*parts, *words, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(self.what, total=self.total)
            while not self.over.wait(0.2):
                bar.update(task, completed=self.done)
