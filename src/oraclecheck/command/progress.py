"""Progress of a sweep, read off its records and claims: the same for every launcher, and true after a crash."""

import time
from collections.abc import Sequence

from oraclecheck.command.request import Request
from oraclecheck.pipelines.dense import study_if_known
from oraclecheck.records.state import State, Watch, runs_of
from oraclecheck.spelling import spell_rate, spell_seconds
from oraclecheck.waiting import waiting

LEISURE = 20.0  # so many times what a look takes passes between two of them


class SweepProgress(waiting):
    """Shows how far a sweep is while it goes on.

    Args:
        parts: What the sweep asks for.
    """

    patience, stays = 0.0, True

    def __init__(self, parts: Sequence[Request]) -> None:
        super().__init__("retraining", sum(len(part.runs) for part in parts) or None)
        self._unknown = list(parts)
        self._watches: list[Watch] = []
        self._states: list[State] = []
        self._told = -1
        self._next = 0.0

    def poll(self) -> None:
        """Look at the studies; one whose dense network is being trained has no folder yet."""
        start = time.monotonic()
        if start < self._next:
            return
        for part in list(self._unknown):
            study = study_if_known(part.setting)
            if study is not None:
                self._unknown.remove(part)
                asked = runs_of(part.combinations, part.repeats) if part.runs else ()
                self._watches.append(Watch(part.setting.paths.out / study.name, asked))
        self._states = [watch.look() for watch in self._watches]
        self.done = sum(state.over for state in self._states)
        self.what = self._spell()
        self._next = time.monotonic() + LEISURE * (time.monotonic() - start)

    def line(self) -> str | None:
        """How far it is, if more is done than when it was last told."""
        over = self.done + self._failed
        if over == self._told:
            return None
        self._told = over
        total = self.total or 0
        if not over:
            return f"oraclecheck: {self.what} ..." if self._waiting else None
        return f"{self.done} of {total} runs done{self.what.removeprefix('retraining')}"

    @property
    def _failed(self) -> int:
        return sum(state.failed for state in self._states)

    @property
    def _waiting(self) -> bool:
        """Whether nothing can be retrained yet."""
        return bool(self._unknown) and not self._watches

    def _spell(self) -> str:
        if self._waiting:
            networks = "the dense network" if len(self._unknown) == 1 else f"{len(self._unknown)} dense networks"
            return f"waiting for {networks}"
        failed = f", {self._failed} failed" if self._failed else ""
        running = sum(len(state.running) for state in self._states)
        seconds = [state.seconds for state in self._states if state.seconds is not None]
        if not running or not seconds:
            return f"retraining{failed}"
        rate = running / (sum(seconds) / len(seconds))  # a second
        left = ((self.total or 0) - self.done - self._failed) / rate
        return f"retraining{failed}, {spell_rate(3600 * rate)}, about {spell_seconds(left)} left"
