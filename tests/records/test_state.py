"""How far a study is: counted by hand."""

import os
from pathlib import Path

import pytest

from oraclecheck.files import file_state
from oraclecheck.records.claims import Claims
from oraclecheck.records.state import Running, State, Watch, runs_of
from oraclecheck.records.store import record_path, write_record
from records.test_record import IDENTITY, a_record
from records.test_store import put

HASH = IDENTITY["study_hash"]


def test_every_run_is_counted_once(tmp_path):
    put(tmp_path, combo=0, duration_total=2.0)
    put(tmp_path, combo=1, duration_total=4.0)
    put(tmp_path, combo=2, status="diverged", final_test_loss=float("inf"), duration_total=9.0)
    put(tmp_path, combo=4, status="failed", error="Traceback\nValueError: first")
    os.utime(put(tmp_path, combo=5, status="failed", error="Traceback\nValueError: last"), (2e9, 2e9))
    put(tmp_path, combo=6)  # nobody asked for it
    record_path(tmp_path, 3, 0).parent.mkdir(parents=True)
    record_path(tmp_path, 3, 0).write_text("{")
    (claim,) = Claims([record_path(tmp_path, 7, 0)], HASH, before=()).first()
    state = Watch(tmp_path, runs_of([0, 1, 2, 3, 4, 5, 7, 8], [0])).look()
    running = state.running
    assert (state.asked, state.done, state.diverged, state.failed, state.missing) == (8, 2, 1, 2, 2)
    assert [(each.run, each.process) for each in running] == [(("7", "0"), os.getpid())]
    assert state.over == 3 and state.last_error == "ValueError: last"
    claim.release()
    again = Watch(tmp_path, runs_of([0, 1, 2, 3, 4, 5, 7, 8], [0])).look()
    assert again.running == () and again.missing == 3


def test_failed_run_that_is_tried_again_is_running(tmp_path):
    path = put(tmp_path, combo=0, status="failed", error="Traceback")
    (claim,) = Claims([path], HASH, before={file_state(path)}).first()
    state = Watch(tmp_path, None).look()
    assert (state.asked, state.failed, len(state.running), state.missing) == (1, 0, 1, 0)
    write_record(path, a_record(combo=0))
    claim.release()
    assert Watch(tmp_path, None).look().done == 1


def test_rate_and_time_left_follow_from_durations_and_workers():
    running = (Running(("0", "0"), "a", 1, 0.0), Running(("1", "0"), "b", 1, 0.0))
    state = State(asked=12, done=4, running=running, seconds=30.0)
    assert state.missing == 6
    assert state.rate == pytest.approx(240)  # two workers, two runs a minute each
    assert state.left == pytest.approx(120)  # eight runs
    assert State(asked=12, done=4, seconds=30.0).left is None  # nobody works


def test_folder_that_is_not_there_has_nothing_done():
    state = Watch(Path("absent"), runs_of([0, 1], [0, 1])).look()
    assert (state.asked, state.missing) == (4, 4)
