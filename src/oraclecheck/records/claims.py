"""Claims: of the workers that share a study's runs, which does which."""

import sys
import time
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from oraclecheck.files import FileState, file_state, remove_remains
from oraclecheck.leases import SECONDS, Lease
from oraclecheck.records.store import is_done, read_record

CLAIM = ".claim"

LOOK_SECONDS = 1.0  # between looks at what others hold


@dataclass(frozen=True)
class Claim:
    """A run that this process alone does; release it once the run's record is written."""

    number: int  # of the run
    path: Path  # of its record
    lease: Lease

    def release(self) -> None:
        """Let others have the run, if it has no record."""
        self.lease.release()


class Claims:
    """Gives a worker the runs that have no record and that nobody else does.

    Args:
        paths: Where the records of the runs go.
        study_hash: The study they belong to.
        before: `file_state` of the records that were there when the sweep began: other runs that failed were tried by
            a worker of it. Their times do not tell, for clocks are set.
    """

    def __init__(self, paths: Sequence[Path], study_hash: str, before: Container[FileState]) -> None:
        self._paths, self._study_hash, self._before = paths, study_hash, before
        self._elsewhere: dict[int, Lease] = {}

    def first(self) -> Iterator[Claim]:
        """The runs in their order, claimed without waiting.

        Raises:
            ValueError: See `is_done`.
        """
        for number, path in enumerate(self._paths):
            if self._is_over(path):
                continue
            lease = Lease(path.with_name(CLAIM))
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                claim = self._claim(number, path, lease)
            except OSError as error:
                print(f"oraclecheck: {path.parent} cannot be claimed: {error}", file=sys.stderr, flush=True)
                continue
            if claim:
                yield claim
            elif not self._is_over(path):
                self._elsewhere[number] = lease

    def dropped(self) -> Iterator[Claim]:
        """Of the runs that others had, those that they dropped; waits until every other one has shown that it lives."""
        seen = {number: lease.sign_of_life() for number, lease in self._elsewhere.items()}
        end = time.monotonic() + 1.5 * SECONDS
        while self._elsewhere and time.monotonic() < end:
            for number, lease in list(self._elsewhere.items()):
                path = self._paths[number]
                if self._is_over(path):
                    del self._elsewhere[number]
                elif claim := self._claim(number, path, lease):
                    del self._elsewhere[number]
                    yield claim
                elif lease.sign_of_life() not in (None, seen[number]):
                    del self._elsewhere[number]
            if self._elsewhere:
                time.sleep(LOOK_SECONDS)

    def _claim(self, number: int, path: Path, lease: Lease) -> Claim | None:
        if not lease.take():
            return None
        try:
            if not self._is_over(path):  # whoever had it may have been done just now
                remove_remains(path)
                return Claim(number, path, lease)
        except BaseException:
            lease.release()
            raise
        lease.release()
        return None

    def _is_over(self, path: Path) -> bool:
        """Whether a run is done, or was tried by this sweep."""
        if not path.is_file():
            return False
        return is_done(path, self._study_hash) or (file_state(path) not in self._before and _failed(path))


def _failed(path: Path) -> bool:
    try:
        return read_record(path).status == "failed"
    except (OSError, ValueError):
        return False
