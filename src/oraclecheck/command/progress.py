"""Progress of a sweep, read off the records on disk: the same for every launcher, and true after a crash."""

import time
from collections.abc import Sequence
from pathlib import Path

from oraclecheck.command.request import Request
from oraclecheck.records.store import read_record
from oraclecheck.waiting import waiting


class SweepProgress(waiting):
    """Shows how many of a sweep's runs are done while the sweep goes on.

    Args:
        parts: What the sweep asks for.
    """

    patience, stays = 0.0, True

    def __init__(self, parts: Sequence[Request]) -> None:
        missing = [part.missing() for part in parts]
        runs = sum(len(part.runs) if m is None else len(m) for part, m in zip(parts, missing, strict=True))
        super().__init__("retraining", runs)
        self.failed = self._told = 0
        self._unresolved, self._outstanding = list(parts), set[Path]()
        self._began = self._retraining_since = time.time()

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
        self.what = "retraining" + self._failures()

    def line(self) -> str | None:
        """How many are done and how long the others will take, if more are done than when it was last told."""
        over, total = self.done + self.failed, self.total or 0
        if over == self._told:
            return None
        self._told = over
        left = (time.time() - self._retraining_since) / over * (total - over)
        spelt = f"{left:.0f} s" if left < 100 else f"{left / 60:.0f} min"
        return f"{self.done} of {total} runs done{self._failures()}, about {spelt} left"

    def _is_new(self, path: Path) -> bool:
        try:
            return path.stat().st_mtime >= self._began
        except FileNotFoundError:
            return False

    def _failures(self) -> str:
        return f", {self.failed} failed" if self.failed else ""


def _has_failed(path: Path) -> bool:
    try:
        return read_record(path).status == "failed"
    except (OSError, ValueError):  # what is no record does not count as done either
        return True
