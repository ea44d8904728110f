"""How far studies are, read off their records and claims alone: from any machine with the folder, while sweeps run."""

import heapq
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median

from oraclecheck.leases import SECONDS, holder
from oraclecheck.records.claims import CLAIM
from oraclecheck.records.run_folders import Place, places
from oraclecheck.records.store import RECORD, read_record

RECENT = 50  # runs whose durations tell how long the others will take

Run = tuple[str, str]
"""Combination and repeat, as their folders are called."""


@dataclass(frozen=True)
class Running:
    """A run that somebody does."""

    run: Run
    host: str
    process: int
    since: float  # seconds since 1970, by the clock of the file system


@dataclass(frozen=True)
class State:
    """How far a study is; of the runs that were asked for each is counted once.

    Attributes:
        asked: Runs that were asked for.
        done: Those with an outcome, but for the diverged ones.
        diverged: Those whose loss became NaN or infinite; outcomes too.
        failed: Those that an exception ended, and nobody tries again at this moment.
        running: Those that somebody does.
        seconds: What a run takes, by the median of the last ones; None while nobody can know.
        last_error: Of the run that failed last.
    """

    asked: int
    done: int = 0
    diverged: int = 0
    failed: int = 0
    running: tuple[Running, ...] = ()
    seconds: float | None = None
    last_error: str | None = None

    @property
    def over(self) -> int:
        """Runs with an outcome."""
        return self.done + self.diverged

    @property
    def missing(self) -> int:
        """Runs without an outcome that nobody does, but for the failed ones."""
        return self.asked - self.over - self.failed - len(self.running)

    @property
    def rate(self) -> float | None:
        """Runs an hour, all workers together; None where nobody works or knows."""
        workers = {(each.host, each.process) for each in self.running}  # who does many at once takes long for each
        return 3600 * len(workers) / self.seconds if workers and self.seconds else None

    @property
    def left(self) -> float | None:
        """Seconds until every run that is not failed has its outcome; None where nobody works or knows."""
        return 3600 * (self.missing + len(self.running)) / self.rate if self.rate else None


class Watch:
    """Looks at a study again and again, and reads only the records that are new.

    Args:
        folder: The study's; it need not be there yet.
        asked: The runs that count; None counts those that were begun.
    """

    def __init__(self, folder: Path, asked: Collection[Run] | None) -> None:
        self._folder, self._asked = folder, asked
        self._known: dict[Run, tuple[Place, _Outcome | None]] = {}

    def look(self) -> State:
        """How far the study is now."""
        begun = places(self._folder) if self._folder.is_dir() else []
        counted = [place for place in begun if self._asked is None or place[:2] in self._asked]
        counts = {"ok": 0, "diverged": 0, "failed": 0}
        running: list[Running] = []
        last_error: tuple[int, str | None] = (0, None)
        for place in counted:
            outcome = self._outcome(place)
            if outcome is None or outcome.status == "failed":
                who = self._running(place[:2])
                if who is not None:
                    running.append(who)
                    continue
            if outcome is not None:
                counts[outcome.status] += 1
                if outcome.status == "failed" and outcome.written > last_error[0]:
                    last_error = outcome.written, outcome.error
        asked = len(counted) if self._asked is None else len(self._asked)
        done, diverged, failed = counts.values()
        return State(asked, done, diverged, failed, tuple(running), self._seconds(), last_error[1])

    def _outcome(self, place: Place) -> "_Outcome | None":
        """What came of a run; None if it has no record that counts."""
        if place[2] is None:
            return None
        known = self._known.get(place[:2])
        if known is None or known[0] != place:
            outcome = None
            with suppress(OSError, ValueError):
                record = read_record(self._folder / place[0] / place[1] / RECORD)
                lines = (record.error or "").strip().splitlines()
                error = lines[-1] if lines else None
                outcome = _Outcome(record.status, error, record.duration_total, place[2][0])
            known = self._known[place[:2]] = place, outcome
        return known[1]

    def _running(self, run: Run) -> Running | None:
        """Who does a run; None if nobody shows a sign of life."""
        folder = self._folder / run[0] / run[1]
        try:
            age = time.time() - (folder / CLAIM).stat().st_mtime
            since = folder.stat().st_mtime  # a claim is the last thing that is made in it before the record
        except OSError:
            return None
        who = holder(folder / CLAIM) if abs(age) < 2 * SECONDS else None
        return None if who is None else Running(run, *who, since)

    def _seconds(self) -> float | None:
        """What a run takes, by the durations of the last ones."""
        outcomes = (outcome for _, outcome in self._known.values() if outcome)
        lasted = [(outcome.written, outcome.seconds) for outcome in outcomes if outcome.seconds is not None]
        return median(seconds for _, seconds in heapq.nlargest(RECENT, lasted)) if lasted else None


@dataclass(frozen=True)
class _Outcome:
    status: str
    error: str | None  # its last line
    seconds: float | None  # that the run took
    written: int  # ns


def runs_of(combinations: Collection[int | str], repeats: Collection[int]) -> set[Run]:
    """Runs as their folders are called."""
    return {(str(combination), str(repeat)) for combination, repeat in product(combinations, repeats)}
