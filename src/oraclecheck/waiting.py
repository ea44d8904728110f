"""What a command does while a user waits for it, said only if it takes long."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE_SECONDS = 2.0


@contextmanager
def waiting(for_what: str) -> Iterator[None]:
    """Say on stderr what takes so long: a spinner with its duration on a terminal, else one line."""
    over = threading.Event()
    teller = threading.Thread(target=_tell, args=(for_what, over), daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


def _tell(for_what: str, over: threading.Event) -> None:
    if over.wait(PATIENCE_SECONDS):
        return
    if not sys.stderr.isatty():
        print(f"oraclecheck: {for_what} ...", file=sys.stderr, flush=True)
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        progress.add_task(for_what, total=None)
        over.wait()
