"""The search itself: threads take groups of images, whose losses are added up in order, and kept now and then."""

import io
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from oraclecheck.engines.arithmetic import float32_arithmetic
from oraclecheck.files import remove_remains, write_atomically
from oraclecheck.waiting import waiting

KEEP_SECONDS = 20.0
"""Between writings of what is done so far: a search that is killed goes on from there."""

Group = tuple[Tensor, Tensor]
"""Normalised images, and their labels."""


class Losses(Protocol):
    """Losses of all combinations of a space."""

    @property
    def size(self) -> int:
        """How many combinations there are."""

    def sums(self, images: Tensor, labels: Tensor) -> Tensor:
        """The sum of the losses of some images, for every combination: shape (size,), float64, on the CPU."""


class Sums:
    """Losses of all combinations added up over the groups of images that are done, the first ones.

    Args:
        path: Where they are kept.
        size: How many combinations there are.
        key: Identity of what is added up; what was kept of something else does not count.
    """

    def __init__(self, path: Path, size: int, key: str) -> None:
        self.path, self.key = path, key
        self.total = torch.zeros(size, dtype=torch.float64)
        self.groups = self.images = 0
        self.seconds = self.cpu_seconds = 0.0
        try:
            with np.load(path) as kept:
                if str(kept["key"]) == key and kept["total"].shape == (size,):
                    self.total = torch.from_numpy(kept["total"])
                    self.groups, self.images = int(kept["groups"]), int(kept["images"])
                    self.seconds, self.cpu_seconds = float(kept["seconds"]), float(kept["cpu_seconds"])
        except FileNotFoundError:
            pass
        except Exception:  # whatever numpy raises for a file that is none of ours
            path.unlink()
        self._began = (time.perf_counter(), time.process_time())

    def add(self, sums: Tensor, images: int) -> None:
        """Add the losses of the next group."""
        self.total += sums
        self.groups, self.images = self.groups + 1, self.images + images

    def keep(self) -> None:
        """Write them down, whole or not at all."""
        now = (time.perf_counter(), time.process_time())
        self.seconds += now[0] - self._began[0]
        self.cpu_seconds += now[1] - self._began[1]
        self._began = now
        kept = {name: getattr(self, name) for name in ("key", "groups", "images", "seconds", "cpu_seconds")}
        np.savez(buffer := io.BytesIO(), total=self.total.numpy(), **kept)
        write_atomically(self.path, lambda file: file.write(buffer.getvalue()))

    def remove(self) -> None:
        """Remove what was kept, once it is no longer needed."""
        self.path.unlink(missing_ok=True)
        remove_remains(self.path)


def add_up(sums: Sums, make: Callable[[], Losses], groups: Iterable[Group], images: int, workers: int) -> None:
    """Add up the losses of all combinations over all groups of images that are not done.

    Groups are added in their order, however many threads there are: their number moves no bit of a sum.

    Args:
        sums: What is done; it is written down from time to time, and when the search is broken off.
        make: Makes what computes the losses, once for each thread.
        groups: All groups, always the same.
        images: How many images there are in them.
        workers: Threads.
    """
    threads: SimpleQueue[Losses] = SimpleQueue()
    for _ in range(workers):
        threads.put(make())

    def losses(group: Group) -> tuple[Tensor, int]:
        mine = threads.get()
        try:
            return mine.sums(*group), len(group[1])
        finally:
            threads.put(mine)

    bar = waiting(f"searching {len(sums.total):,} combinations, images", images)
    bar.done = sums.images
    kept, before = time.monotonic(), torch.get_num_threads()
    one_each = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
    with float32_arithmetic(tf32=False), bar, one_each as pool:
        try:
            for done, count in _in_order(pool, losses, islice(groups, sums.groups, None), 2 * workers):
                sums.add(done, count)
                bar.done = sums.images
                if time.monotonic() - kept > KEEP_SECONDS:
                    going_on(sums.keep, sums.path)
                    kept = time.monotonic()
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(before)
            going_on(sums.keep, sums.path)


def _in_order(
    pool: ThreadPoolExecutor, call: Callable[[Group], tuple[Tensor, int]], groups: Iterator[Group], ahead: int
) -> Iterator[tuple[Tensor, int]]:
    """Results of a pool in the order of the groups, no more of which are taken ahead than so many."""
    waiting_for: deque[Future[tuple[Tensor, int]]] = deque(pool.submit(call, group) for group in islice(groups, ahead))
    while waiting_for:
        result = waiting_for.popleft().result()
        waiting_for.extend(pool.submit(call, group) for group in islice(groups, 1))
        yield result


def going_on(keep: Callable[[], None], path: Path) -> None:
    """Keep what is done; where that cannot be written, the search goes on all the same."""
    try:
        keep()
    except OSError as error:
        print(
            f"oraclecheck: what is searched so far cannot be kept in {path}: {error.strerror}; the search goes on",
            file=sys.stderr,
            flush=True,
        )
