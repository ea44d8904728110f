"""Ranks do things together, and none of them outlives the others, or whoever started it."""

import multiprocessing
import os
import signal
import time

import pytest
import rank_work

from oraclecheck.engines.sharded.ranks import rank_and_ranks, run_ranks

SECONDS = 60

pytestmark = pytest.mark.slow  # each rank is a process that imports torch


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_ranks_know_what_each_of_them_says(tmp_path):
    heard = []
    run_ranks(3, False, rank_work.say_hello, tmp_path, heard.append)
    assert sorted(heard) == [(rank, [0, 10, 20]) for rank in range(3)]
    assert rank_and_ranks() == (0, 1)


def test_what_a_rank_raises_is_told_and_ends_the_others(tmp_path):
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=r"(?s)rank 1 of 2 has failed.*ValueError: the second cannot"):
        run_ranks(2, False, rank_work.fail_in_the_second, tmp_path, print)
    assert time.monotonic() - start < SECONDS


def test_a_rank_that_dies_ends_the_others(tmp_path):
    pids = []
    with pytest.raises(RuntimeError, match="rank 1 of 2 has died"):
        run_ranks(2, False, rank_work.die_in_the_second, tmp_path, pids.append)
    assert len(pids) == 2 and not any(map(alive, pids))


def test_ranks_end_with_a_process_that_is_killed(tmp_path):
    folder = tmp_path / "theirs"
    folder.mkdir()
    parent = multiprocessing.get_context("spawn").Process(target=rank_work.start_sleepers, args=(folder,))
    parent.start()
    until, files = time.monotonic() + SECONDS, [folder / f"{rank}.pid" for rank in range(2)]
    while not all(file.is_file() and file.read_text() for file in files):
        assert time.monotonic() < until
        time.sleep(0.1)
    pids = [int(file.read_text()) for file in files]
    os.kill(parent.pid, signal.SIGKILL)
    parent.join()
    while any(map(alive, pids)):
        assert time.monotonic() < until
        time.sleep(0.1)
    assert not folder.exists()
