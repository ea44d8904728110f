"""Kinds of faults: each disturbs sweeps in one way, gives the same command again, and counts what is wrong then."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Collection
from pathlib import Path
from random import Random
from typing import Any

from faults import journal
from faults.sweeps import (
    BASIC,
    JOBLIB,
    JOURNAL,
    NOBODY,
    OVERLAPPING,
    RAY,
    SAID,
    SWEEP,
    Undisturbed,
    at_work,
    in_a_process,
    kill,
    wait_for_events,
    wait_for_orphans,
)

Trial = Callable[[Random, Path, Undisturbed], tuple[int, int, int, int]]
"""Disturbs a sweep in an empty folder; gives the runs lost, doubled and different, and the files left over."""

DAY = 86400.0


def again(
    folder: Path, undisturbed: Undisturbed, sweeps: Collection[tuple[str, ...]] = (SWEEP + BASIC,), **how: Any
) -> tuple[int, int, int, int]:
    """Give the same commands again, at once, and count what is wrong when they and all others have ended."""
    processes = [in_a_process(folder, sweep, **how) for sweep in sweeps]
    for process in processes:
        process.join()
    wait_for_orphans(folder)
    said = (folder / SAID).read_text()
    assert all(process.exitcode == 0 for process in processes), said
    assert "Traceback" not in said, said
    return undisturbed.wrong(folder, sweeps)


def run(folder: Path, sweep: tuple[str, ...], **how: Any) -> int:
    """Give a command; the exit code. Whatever is in its way, it says so in sentences."""
    process = in_a_process(folder, sweep, **how)
    process.join()
    said = (folder / SAID).read_text()
    assert "Traceback" not in said, said
    return process.exitcode


def wait_for_an_instant(random: Random, folder: Path, process: Any, events: int) -> None:
    """Wait until a random instant of a sweep whose journal will have so many lines."""
    count = random.randrange(events)
    wait_for_events(folder, count, process)
    time.sleep(random.uniform(0, 0.3 if count > 1 else 1.5))  # before the first run there is the dense network


def killed(random: Random, folder: Path, undisturbed: Undisturbed) -> tuple[int, int, int, int]:
    """The one process of a sweep is killed."""
    process = in_a_process(folder, SWEEP + BASIC)
    wait_for_an_instant(random, folder, process, 19)
    kill(process.pid)
    process.join()
    return again(folder, undisturbed)


def killed_twice(random: Random, folder: Path, undisturbed: Undisturbed) -> tuple[int, int, int, int]:
    """The one process is killed, and so is that of the same command again."""
    for _ in range(2):
        process = in_a_process(folder, SWEEP + BASIC)
        wait_for_an_instant(random, folder, process, 19)
        kill(process.pid)
        process.join()
    return again(folder, undisturbed)


def one_of_two_killed(random: Random, folder: Path, undisturbed: Undisturbed) -> tuple[int, int, int, int]:
    """Of two sweeps over overlapping sets that share their work, one is killed and given again at once."""
    sweeps = [SWEEP + BASIC, OVERLAPPING + BASIC]
    processes = [in_a_process(folder, sweep) for sweep in sweeps]
    victim = random.randrange(2)
    wait_for_an_instant(random, folder, processes[victim], 26)
    kill(processes[victim].pid)
    processes[victim].join()
    found = again(folder, undisturbed, [sweeps[victim]])
    processes[1 - victim].join()
    # the other one may have seen a run in the hands of the one that was killed: the same command again
    return again(folder, undisturbed, sweeps) if processes[1 - victim].exitcode == 1 else found


def both_killed(random: Random, folder: Path, undisturbed: Undisturbed) -> tuple[int, int, int, int]:
    """Two sweeps over overlapping sets are killed at once and given again."""
    sweeps = [SWEEP + BASIC, OVERLAPPING + BASIC]
    processes = [in_a_process(folder, sweep) for sweep in sweeps]
    wait_for_an_instant(random, folder, processes[0], 26)
    for process in processes:
        kill(process.pid)
    for process in processes:
        process.join()
    return again(folder, undisturbed, sweeps)


def side_by_side(random: Random, folder: Path, undisturbed: Undisturbed) -> tuple[int, int, int, int]:
    """Two sweeps over overlapping sets at once: each has all its runs when it ends."""
    return again(folder, undisturbed, [SWEEP + BASIC, OVERLAPPING + BASIC])


def _of(launcher: tuple[str, ...], victim: str) -> Trial:
    def trial(random: Random, folder: Path, undisturbed: Undisturbed) -> tuple[int, int, int, int]:
        process = in_a_process(folder, SWEEP + launcher)
        wait_for_events(folder, 3, process)  # the driver and its two workers are born
        wait_for_an_instant(random, folder, process, 21)
        if victim == "group":
            os.killpg(process.pid, signal.SIGKILL)
        elif victim == "driver":
            kill(process.pid)
        elif alive := [worker for worker in at_work(folder) if worker != process.pid]:
            kill(random.choice(alive))
        process.join()
        return again(folder, undisturbed, [SWEEP + launcher])

    trial.__doc__ = f"Of a sweep with two workers that a launcher has started, the {victim} is killed."
    return trial


def disk_full(random: Random, folder: Path, undisturbed: Undisturbed) -> tuple[int, int, int, int]:
    """No file can grow beyond a random size, so writes end in the middle."""
    if random.random() < 0.7:  # all is written but for the records
        shutil.copytree(undisturbed.folder / "multirun/dense", folder / "multirun/dense")
        shutil.copytree(undisturbed.folder / "multirun/.cache", folder / "multirun/.cache")
        most = random.randrange(1500, 5000)
    else:
        most = random.choice([2000, 20_000, 60_000, 100_000])
    assert run(folder, SWEEP + BASIC, most_bytes=most) in (0, 1, 2)
    return again(folder, undisturbed)


def small_disk(random: Random, folder: Path, undisturbed: Undisturbed) -> tuple[int, int, int, int]:
    """The disk is full at a random moment, and has room again later."""
    out = folder / "multirun"
    out.mkdir()
    size = random.choice([40, 100, 500, 520, 540]) * 1024
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(out)], check=True)
    try:
        assert run(folder, SWEEP + BASIC) in (0, 1, 2)
        subprocess.run(["mount", "-o", "remount,size=64m", str(out)], check=True)
        return again(folder, undisturbed)
    finally:
        subprocess.run(["umount", "-l", str(out)], check=True)


def read_only(random: Random, folder: Path, undisturbed: Undisturbed) -> tuple[int, int, int, int]:
    """A folder cannot be written: that of all studies, of the study, of a combination or a run."""
    folder.parent.chmod(0o755)
    (folder / JOURNAL).touch()
    study = _half_done(folder, undisturbed, random)
    choices = [folder / "multirun", study, study / "0", study / "0" / "1", folder / "multirun/dense"]
    closed = random.choice(choices)
    for path in [folder, *folder.rglob("*")]:
        if os.getuid() == 0:
            os.chown(path, NOBODY, NOBODY)
    closed.chmod(0o555)
    assert run(folder, SWEEP + BASIC, as_nobody=True) in (0, 1, 2)
    closed.chmod(0o755)
    return again(folder, undisturbed, as_nobody=True)


def broken_record(random: Random, folder: Path, undisturbed: Undisturbed) -> tuple[int, int, int, int]:
    """A record is truncated, emptied, of another run, or anything at all: its run alone is done again."""
    path = _one_record(random, folder, undisturbed)
    content = path.read_bytes()
    broken = {
        "truncated": content[: random.randrange(1, len(content))],
        "emptied": b"",
        "another run's": (path.parents[2] / "3" / "0" / "record.json").read_bytes(),
        "anything": random.randbytes(random.randrange(1, 9999)),
    }
    path.write_bytes(broken[random.choice(list(broken))])
    found = again(folder, undisturbed)
    begun = [event for event, *_ in journal.events(folder / JOURNAL)].count("begin")
    return found[0], found[1] + abs(begun - 1), *found[2:]


def refused_record(random: Random, folder: Path, undisturbed: Undisturbed) -> tuple[int, int, int, int]:
    """A record is another study's or a folder: it is refused, and left as it is; without it, its run is done again."""
    path = _one_record(random, folder, undisturbed)
    if random.random() < 0.5:
        content = json.dumps({**json.loads(path.read_text()), "study_hash": "f" * 64})
        path.write_text(content)
        assert run(folder, SWEEP + BASIC) == 2
        assert path.read_text() == content
        path.unlink()
    else:
        path.unlink()
        path.mkdir()
        assert run(folder, SWEEP + BASIC) == 2
        path.rmdir()
    return again(folder, undisturbed)


def wrong_clock(random: Random, folder: Path, undisturbed: Undisturbed) -> tuple[int, int, int, int]:
    """A sweep is killed; meanwhile the clock was set, back or forth; some of what it left failed then."""
    process = in_a_process(folder, SWEEP + BASIC, clock=random.choice([-DAY, DAY]))
    wait_for_an_instant(random, folder, process, 19)
    kill(process.pid)
    process.join()
    shift = random.choice([-DAY, DAY])
    for path in folder.rglob("multirun/**/*"):
        if path.is_file():
            if path.name == "record.json" and random.random() < 0.5:
                record = json.loads(path.read_text())
                path.write_text(json.dumps({**record, "status": "failed", "error": "out of luck"}))
                _forget(folder / JOURNAL, record["seed"])
            stat = path.stat()
            os.utime(path, (stat.st_atime + shift, stat.st_mtime + shift))
    return again(folder, undisturbed, clock=random.choice([0.0, -DAY, DAY]))


def dead_elsewhere(random: Random, folder: Path, undisturbed: Undisturbed) -> tuple[int, int, int, int]:
    """The process that held a run, or trained the dense network, died on another host; its claim is there still."""
    process = in_a_process(folder, SWEEP + BASIC)
    wait_for_an_instant(random, folder, process, 19)
    kill(process.pid)
    process.join()
    claims = list((folder / "multirun").rglob(".*claim"))
    for claim in claims:
        claim.write_text(claim.read_text().replace("host=", "host=other-"))
    return again(folder, undisturbed)


def _half_done(folder: Path, undisturbed: Undisturbed, random: Random) -> Path:
    """A study with some of its records; its folder."""
    study = shutil.copytree(undisturbed.folder / "multirun", folder / "multirun") / _study(undisturbed)
    for path in random.sample(sorted(study.glob("*/*/record.json")), 5):
        path.unlink()
    return study


def _one_record(random: Random, folder: Path, undisturbed: Undisturbed) -> Path:
    """A record of a study that is done."""
    study = shutil.copytree(undisturbed.folder / "multirun", folder / "multirun") / _study(undisturbed)
    number = random.randrange(6)
    return study / str(number // 2) / str(number % 2) / "record.json"


def _study(undisturbed: Undisturbed) -> str:
    (study,) = (undisturbed.folder / "multirun").glob("lenet*")
    return study.name


def _forget(path: Path, seed: int) -> None:
    lines = [line for line in path.read_text().splitlines() if line.split()[:2] != ["written", str(seed)]]
    path.write_text("\n".join(lines) + "\n")


KINDS: dict[str, tuple[int, Trial]] = {
    "kill -9, one process": (40, killed),
    "kill -9, one process, twice": (10, killed_twice),
    "kill -9, one of two commands": (15, one_of_two_killed),
    "kill -9, both of two commands": (15, both_killed),
    "kill -9, joblib: a worker": (4, _of(JOBLIB, "worker")),
    "kill -9, joblib: the driver": (4, _of(JOBLIB, "driver")),
    "kill -9, joblib: the whole group": (4, _of(JOBLIB, "group")),
    "kill -9, Ray: a worker": (3, _of(RAY, "worker")),
    "kill -9, Ray: the driver": (3, _of(RAY, "driver")),
    "two commands over overlapping sets": (5, side_by_side),
    "files that cannot grow": (12, disk_full),
    "a disk that is full": (5, small_disk),
    "a folder that cannot be written": (6, read_only),
    "a record that is broken": (12, broken_record),
    "a record of another study, a folder": (6, refused_record),
    "a clock set back or forth": (6, wrong_clock),
    "a holder that died on another host": (2, dead_elsewhere),
}
"""Kind -> how many trials of it, and the trial."""

KILLS = {"kill -9, one process, twice": 2, "kill -9, both of two commands": 2}
"""Kinds of which a trial kills more than once."""
