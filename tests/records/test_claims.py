"""Claims: every run is done once, whoever shares, dies or is cut off."""

import errno
import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from oraclecheck import leases
from oraclecheck.files import file_state
from oraclecheck.records import claims
from oraclecheck.records.claims import Claims
from oraclecheck.records.store import read_record, record_path, write_record
from records.test_record import IDENTITY, a_record

HASH = IDENTITY["study_hash"]
FORK = multiprocessing.get_context("fork")


def paths(folder: Path, count: int) -> list[Path]:
    return [record_path(folder, 3, repeat) for repeat in range(count)]


def do(claim) -> None:
    write_record(claim.path, a_record(repeat=claim.number))
    claim.release()


def test_runs_are_claimed_in_their_order_and_leave_nothing_but_records(tmp_path):
    for expected in ([0, 1, 2], []):
        numbers = []
        for claim in Claims(paths(tmp_path, 3), HASH, before=()).first():
            numbers.append(claim.number)
            do(claim)
        assert numbers == expected
    for path in paths(tmp_path, 3):
        assert [entry.name for entry in path.parent.iterdir()] == ["record.json"]


def test_what_another_holds_is_passed_over_and_looked_at_again(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "LOOK_SECONDS", 0.01)
    first, second = (Claims(paths(tmp_path, 3), HASH, before=()) for _ in range(2))
    taken, others = first.first(), second.first()
    held = next(taken)
    assert held.number == 0
    numbers = [claim.number for claim in others if do(claim) is None]
    assert numbers == [1, 2]
    held.release()  # dropped
    (found,) = second.dropped()
    assert found.number == 0
    found.release()


def test_run_that_another_goes_on_with_is_left_to_it(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "LOOK_SECONDS", 0.01)
    held = next(Claims(paths(tmp_path, 1), HASH, before=()).first())
    waiting = Claims(paths(tmp_path, 1), HASH, before=())
    assert list(waiting.first()) == []
    alive = threading.Timer(0.2, os.utime, (held.lease.path, (1, 1)))  # it touches its claim
    alive.start()
    start = time.monotonic()
    assert list(waiting.dropped()) == [] and time.monotonic() - start > 0.1
    alive.join()
    assert not held.path.exists()
    held.release()


def test_claim_of_a_killed_process_is_free_at_once(tmp_path):
    def hold():
        claim = next(Claims(paths(tmp_path, 1), HASH, before=()).first())
        assert claim.lease.path.exists()
        os.kill(os.getpid(), signal.SIGKILL)

    process = FORK.Process(target=hold)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL and (tmp_path / "3/0/.claim").exists()
    (claim,) = Claims(paths(tmp_path, 1), HASH, before=()).first()
    do(claim)
    assert [entry.name for entry in claim.path.parent.iterdir()] == ["record.json"]


def elsewhere(path: Path) -> None:
    """Make a claim one of a process on another host."""
    path.write_text(path.read_text().replace("host=", "host=other-"))


def test_claim_that_died_on_another_host_is_free_after_a_while_without_a_sign_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "SECONDS", 0.5)
    monkeypatch.setattr(claims, "SECONDS", 0.5)
    monkeypatch.setattr(claims, "LOOK_SECONDS", 0.01)
    gone = Claims(paths(tmp_path, 1), HASH, before=())
    held = next(gone.first())
    held.lease._lock._stop_heartbeat()
    elsewhere(held.lease.path)
    mine = Claims(paths(tmp_path, 1), HASH, before=())
    assert list(mine.first()) == []
    start = time.monotonic()
    (claim,) = mine.dropped()
    assert claim.number == 0 and time.monotonic() - start > 0.3
    claim.release()


def test_clock_set_back_or_forth_frees_no_claim(tmp_path):
    held = next(Claims(paths(tmp_path, 1), HASH, before=()).first())
    elsewhere(held.lease.path)
    for seconds in (-1e6, 1e6):
        os.utime(held.lease.path, (time.time() + seconds,) * 2)
        assert list(Claims(paths(tmp_path, 1), HASH, before=()).first()) == []
    held.lease.path.unlink()


@pytest.mark.parametrize("content", [b"", b"pid=1", b"\xff\xfe" * 99, b"filelock/2\npid=-1\nhost=\n"])
def test_claim_that_says_nothing_is_free_after_a_while(tmp_path, monkeypatch, content):
    monkeypatch.setattr(claims, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(leases, "STILLBORN_SECONDS", 0.5)
    path = paths(tmp_path, 1)[0]
    path.parent.mkdir(parents=True)
    claim = path.with_name(".claim")
    claim.write_bytes(content)
    mine = Claims([path], HASH, before=())
    assert list(mine.first()) == []  # its maker may be about to write it
    (found,) = mine.dropped()
    found.release()


def test_run_that_failed_in_this_sweep_is_not_tried_again_by_it(tmp_path):
    path = paths(tmp_path, 1)[0]
    write_record(path, a_record(repeat=0, status="failed", error="Traceback"))
    for seconds in (-1e6, 0, 1e6):  # whatever clocks say
        os.utime(path, (time.time() + seconds,) * 2)
        assert list(Claims([path], HASH, before=()).first()) == []
        (claim,) = Claims([path], HASH, before={file_state(path)}).first()  # of an earlier sweep
        claim.release()


def test_remains_of_a_killed_writer_are_removed(tmp_path):
    path = paths(tmp_path, 1)[0]
    path.parent.mkdir(parents=True)
    (path.parent / ".record.json.abc.tmp").write_text("half a rec")
    (claim,) = Claims([path], HASH, before=()).first()
    claim.release()
    assert not list(path.parent.iterdir())


def test_folder_that_cannot_be_written_costs_its_own_run(tmp_path, monkeypatch, capsys):
    take = leases.Lease.take

    def take_or_fail(lease):
        if lease.path.parent.name == "0":
            raise PermissionError(errno.EACCES, "Permission denied")
        return take(lease)

    monkeypatch.setattr(leases.Lease, "take", take_or_fail)
    numbers = [claim.number for claim in Claims(paths(tmp_path, 3), HASH, before=()).first() if do(claim) is None]
    assert numbers == [1, 2] and "3/0 cannot be claimed" in capsys.readouterr().err


def test_record_of_another_study_is_refused(tmp_path):
    write_record(paths(tmp_path, 1)[0], a_record(repeat=0))
    with pytest.raises(ValueError, match="belongs to study"):
        list(Claims(paths(tmp_path, 1), "1" * 64, before=()).first())


def _work(folder: str, seconds: float, done) -> None:
    mine = Claims(paths(Path(folder), 24), HASH, before=())
    for claim in mine.first():
        time.sleep(seconds)
        done.put((os.getpid(), claim.number))
        do(claim)


def test_two_workers_share_equal_runs_equally(tmp_path):
    done = FORK.Queue()
    workers = [FORK.Process(target=_work, args=(str(tmp_path), 0.05, done)) for _ in range(2)]
    for worker in workers:
        worker.start()
    found = [done.get(timeout=30) for _ in range(24)]
    for worker in workers:
        worker.join()
    assert sorted(number for _, number in found) == list(range(24)) and done.empty()
    shares = [sum(pid == worker.pid for pid, _ in found) for worker in workers]
    assert all(11 <= share <= 13 for share in shares)
    for path in paths(tmp_path, 24):
        assert [entry.name for entry in path.parent.iterdir()] == ["record.json"]
        assert read_record(path).study_hash == HASH
