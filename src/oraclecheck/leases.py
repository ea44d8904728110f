"""Leases: which process does what, of one machine or of many that share a folder.

A lease is a file that is there while somebody holds it; it names the host and the process and is touched every 20
seconds. Nothing rests on locks of the file system, only on files that one process alone can create. On its own machine
a process that was killed has let go at once; on another one it has when nobody saw a sign of life for a minute.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

from filelock import SoftFileLease, Timeout

SECONDS = 60.0  # without a sign of life, and a holder counts as dead
STILLBORN_SECONDS = 5.0  # a file that is made says at once who made it


class Lease:
    """A lease that can be tried for again and again: to see that a holder elsewhere is dead takes more than one look.

    Args:
        path: The file; its folder is there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = SoftFileLease(path, lease_duration=SECONDS, timeout=0, thread_local=False)
        self._empty: tuple[tuple[int, int], float] | None = None  # as it was seen, and when first

    def take(self) -> bool:
        """Take it if nobody holds it, without waiting; gives whether it is mine.

        Raises:
            OSError: If the file cannot be written.
        """
        try:
            self._lock.acquire()
        except Timeout:
            self._remove_if_stillborn()
            return False
        return True

    def release(self) -> None:
        """Let go of it."""
        with suppress(OSError):  # the folder may be gone or unwritable by now; the lease then ends by itself
            self._lock.release()

    def _remove_if_stillborn(self) -> None:
        """Remove a file that stays empty: its maker was killed before it could say who it is."""
        seen = self.sign_of_life()
        if seen is None or self.path.stat().st_size > 0:
            self._empty = None
        elif self._empty is None or self._empty[0] != seen:
            self._empty = seen, time.monotonic()
        elif time.monotonic() - self._empty[1] > STILLBORN_SECONDS:
            self.path.unlink(missing_ok=True)

    def sign_of_life(self) -> tuple[int, int] | None:
        """What changes when the holder touches it or is another one; None if nobody holds it."""
        try:
            stat = os.stat(self.path)
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_ino


def holder(path: Path) -> tuple[str, int] | None:
    """Host and process that hold a lease; None if nobody does or the file does not say."""
    owner = SoftFileLease(path, lease_duration=SECONDS, timeout=0).owner
    return None if owner is None else (owner.hostname.partition("?")[0], owner.pid)
