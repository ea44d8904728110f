"""Progress of a sweep: what counts as done."""

import json
import os
import time

from quick import QUICK

from oraclecheck.command.progress import SweepProgress


class Three:
    """The part of a sweep that asks for three runs."""

    runs = (0, 1, 2)

    def __init__(self, paths):
        self._paths = paths

    def missing(self):
        return self._paths

    paths = missing


def test_failed_run_is_not_counted_as_done(command, tmp_path):
    assert command(*QUICK, "logger=none", 'combo="0-2"')[0] == 0
    paths = sorted((tmp_path / "multirun").glob("lenet*/*/0/record.json"))
    for path in paths:  # as before the sweep
        os.utime(path, (0, 0))
    progress = SweepProgress([Three(paths)])
    failed = json.loads(paths[0].read_text()) | {"status": "failed", "error": "RuntimeError: no luck"}
    paths[0].write_text(json.dumps(failed))
    os.utime(paths[1], (time.time() + 1, time.time() + 1))
    progress.poll()
    assert (progress.done, progress.failed, progress.total) == (1, 1, 3)
