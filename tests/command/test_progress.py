"""Progress of a sweep: what counts as done."""

import json
from pathlib import Path

from quick import QUICK

from oraclecheck.cli import main
from oraclecheck.command import progress
from oraclecheck.command.progress import SweepProgress


class Stop(Exception):
    """Ends a command where its workers would begin."""


def requests_of(monkeypatch, *arguments):
    """What a command asks for, as its progress gets it."""
    found = []

    class Kept(SweepProgress):
        def __init__(self, parts):
            found.extend(parts)
            raise Stop

    monkeypatch.setattr("oraclecheck.sweep.SweepProgress", Kept)
    assert main(arguments) == 2
    monkeypatch.setattr("oraclecheck.sweep.SweepProgress", SweepProgress)
    return found


def test_failed_run_is_not_counted_as_done(command, tmp_path, monkeypatch):
    sweep = (*QUICK, "logger=none", 'combo="0-2"')
    assert command(*sweep)[0] == 0
    paths = sorted((tmp_path / "multirun").glob("lenet*/*/0/record.json"))
    failed = json.loads(paths[0].read_text()) | {"status": "failed", "error": "RuntimeError: no luck"}
    paths[0].write_text(json.dumps(failed))
    paths[1].unlink()
    shown = SweepProgress(requests_of(monkeypatch, *sweep))
    shown.poll()
    assert (shown.done, shown.total) == (1, 3)
    assert shown.line() == "1 of 3 runs done, 1 failed" and shown.line() is None


def test_sweep_that_waits_says_so_once(monkeypatch):
    shown = SweepProgress(requests_of(monkeypatch, *QUICK, "logger=none", 'combo="0-2"'))
    shown.poll()
    assert shown.line() == "oraclecheck: waiting for the dense network ..." and shown.line() is None


def test_only_what_is_new_is_read(command, tmp_path, monkeypatch):
    sweep = (*QUICK, "logger=none", 'combo="0-2"')
    assert command(*sweep)[0] == 0
    next(Path("multirun").glob("lenet*/1/0/record.json")).unlink()
    shown = SweepProgress(requests_of(monkeypatch, *sweep))
    read, reads = progress.Watch.look.__globals__["read_record"], []
    monkeypatch.setitem(progress.Watch.look.__globals__, "read_record", lambda path: reads.append(path) or read(path))
    for _ in range(3):
        shown._next = 0.0
        shown.poll()
    assert len(reads) == 2 and shown.done == 2
