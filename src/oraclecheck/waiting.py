"""What a command does while a user waits for it: a bar on a terminal, else a line now and then."""

import sys
import threading
from collections.abc import Callable

POLL_SECONDS = 0.5
LINE_SECONDS = 20.0  # between lines where stderr is not a terminal


class waiting(threading.Thread):
    """Says on stderr what takes so long, while a `with` lasts; it gives what is to be called after each part.

    Args:
        what: What is being done.
        total: Its parts, if there are parts; nothing is said if there are 0.
    """

    patience = 2.0  # seconds before anything is said
    stays = False  # whether the bar stays when all is done

    def __init__(self, what: str, total: int | None = None) -> None:
        super().__init__(daemon=True)
        self.what, self.total, self.done, self.over = what, total, 0, threading.Event()

    def __enter__(self) -> Callable[[], None]:
        self.start()
        return self.step

    def __exit__(self, *exception: object) -> None:
        self.over.set()
        self.join()

    def step(self) -> None:
        """Count a part that is done."""
        self.done += 1

    def poll(self) -> None:
        """Find out what is done, where nobody calls `step`."""

    def line(self) -> str | None:
        """What to say where there is no bar, if there is anything new."""
        count = f" ({self.done} of {self.total})" if self.total else ""
        return f"oraclecheck: {self.what}{count} ..."

    def run(self) -> None:
        """Poll and show until it is over."""
        if self.total == 0 or self.over.wait(self.patience):
            return
        if sys.stderr.isatty():
            self._show_bar()
            return
        while True:
            self.poll()
            if line := self.line():
                print(line, file=sys.stderr, flush=True)
            if self.over.wait(LINE_SECONDS):
                return

    def _show_bar(self) -> None:
        from rich import progress
        from rich.console import Console

        text, elapsed = progress.TextColumn("{task.description}"), progress.TimeElapsedColumn()
        columns: tuple[progress.ProgressColumn, ...] = (progress.SpinnerColumn(), text, elapsed)
        if self.total:
            counted = (progress.BarColumn(), progress.MofNCompleteColumn())
            columns = (text, *counted, elapsed, progress.TimeRemainingColumn())
        console = Console(stderr=True)
        with progress.Progress(*columns, console=console, transient=not self.stays, refresh_per_second=4) as bar:
            task = bar.add_task(self.what, total=self.total)
            over = False
            while not over:
                over = self.over.wait(POLL_SECONDS)
                self.poll()
                bar.update(task, completed=self.done, description=self.what)
