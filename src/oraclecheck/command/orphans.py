"""A joblib worker whose sweep was killed would idle for minutes, holding its memory; it ends instead."""

import multiprocessing
import os
import threading
import time
from functools import cache

POLL_SECONDS = 2.0


@cache
def end_with_parent() -> None:
    """In a joblib worker, end this process soon after its parent is gone; elsewhere nothing happens.

    Nothing is lost: records are atomic, and a run that had not left its record is run again.
    """
    if multiprocessing.current_process().name.startswith("LokyProcess"):
        threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    os._exit(1)
