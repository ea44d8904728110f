"""kill -9 at any instant, then the same command again: every run once, and the same metrics as without the kill."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from forks import FORKS
from quick import QUICK

from faults.sitecustomize import install
from oraclecheck.cli import main

FAULTS = Path(__file__).with_name("faults")
SWEEP = ("-m", *QUICK, "combo=range(3)", 'repeat="0,1"')  # three jobs of two runs
WITHOUT_WANDB = ("logger=none",)  # where the kill comes before any run

_seeded = random.Random(20241130)
INSTANTS = [
    ("dense-epoch", 1),
    ("dense-rename", 1),
    *(("epoch", count) for count in _seeded.sample(range(1, 15), 3)),
    *(("record-rename", count) for count in _seeded.sample(range(1, 7), 3)),
    *(("record-renamed", count) for count in _seeded.sample(range(1, 7), 2)),
    *(("wandb-finish", count) for count in _seeded.sample(range(1, 7), 2)),
    *(("time", percent) for percent in _seeded.sample(range(10, 70), 2)),
]
JOBLIB_INSTANTS = [("dense-rename", 1, "sweep"), ("record-rename", 2, "self"), ("record-renamed", 1, "sweep")]
# Two workers share six runs, and who is left takes what the other dropped: each comes to its third before all are done.
JOBLIB_INSTANTS += [("record-renamed", 2, "self"), ("record-rename", 3, "sweep"), ("record-rename", 3, "self")]


def outcomes(out: Path) -> dict[str, dict]:
    """Every record without what differs from run to run: clock and durations."""
    found = {}
    for path in sorted(out.glob("lenet*/*/*/record.json")):
        record = json.loads(path.read_text())
        kept = {name: value for name, value in record.items() if not name.startswith(("duration_", "started_at"))}
        found[f"{path.parent.parent.name}/{path.parent.name}"] = kept
    return found


def in_a_process(folder: Path, sweep: tuple[str, ...], kill: tuple[str, int, str] | None = None) -> int:
    """Run a command line in a forked process; gives its exit code."""
    process = FORKS.Process(target=_run, args=(str(folder), sweep, kill))
    process.start()
    process.join()
    return process.exitcode


def _run(folder: str, sweep: tuple[str, ...], kill: tuple[str, int, str] | None) -> None:
    os.chdir(folder)
    os.setpgrp()
    if kill:
        install(*kill)
    sys.exit(main(sweep))


@pytest.fixture(scope="module")
def undisturbed_sweep(tmp_path_factory):
    """The records of the sweep that nobody disturbs, and the seconds it takes here."""
    in_a_process(tmp_path_factory.mktemp("warm"), ("--version",))  # starts the server that forks
    folder, start = tmp_path_factory.mktemp("uninterrupted"), time.perf_counter()
    assert in_a_process(folder, SWEEP) == 0
    seconds, records = time.perf_counter() - start, outcomes(folder / "multirun")
    assert len(records) == 6 and {record["status"] for record in records.values()} == {"ok"}
    return records, seconds


@pytest.fixture(scope="module")
def uninterrupted(undisturbed_sweep):
    return undisturbed_sweep[0]


@pytest.fixture(scope="module")
def uninterrupted_seconds(undisturbed_sweep):
    return undisturbed_sweep[1]


def assert_complete(folder: Path, uninterrupted: dict) -> None:
    assert outcomes(folder / "multirun") == uninterrupted
    assert not list(folder.rglob("*.tmp"))


FIRST_OF_A_KIND = {name: instant for instant in reversed(INSTANTS) for name in instant[:1]}.values()


@pytest.mark.parametrize(
    "instant",
    [pytest.param(i, marks=[] if i in FIRST_OF_A_KIND else [pytest.mark.slow]) for i in INSTANTS],
    ids=lambda instant: "-".join(map(str, instant)),
)
def test_killed_sweep_is_completed_by_the_same_command(tmp_path, uninterrupted, uninterrupted_seconds, instant):
    name, count = instant
    if name == "time":  # a share of what the whole sweep takes on this machine, in tenths of a second
        count = count / 100 * uninterrupted_seconds * 10
    sweep = SWEEP + WITHOUT_WANDB * name.startswith("dense")
    killed = in_a_process(tmp_path, sweep, (name, count, "self"))
    assert killed == -signal.SIGKILL or (name, killed) == ("time", 0)  # a busy machine may be quicker the second time
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("multirun/lenet*/*/*/record.json")}
    assert len(before) < 6 or name in ("record-renamed", "wandb-finish", "time")
    assert in_a_process(tmp_path, sweep) == 0
    assert_complete(tmp_path, uninterrupted)
    assert before == {path: path.stat().st_mtime_ns for path in before}  # what was done was not done again


@pytest.mark.slow  # another sweep that nobody disturbs
def test_killed_worker_loses_at_most_the_group_it_held(tmp_path):
    stacked = (*SWEEP, *WITHOUT_WANDB, "engine=stacked", "engine.networks=4")
    for name in ("undisturbed", "killed"):
        (tmp_path / name).mkdir()
    assert in_a_process(tmp_path / "undisturbed", stacked) == 0
    undisturbed = outcomes(tmp_path / "undisturbed" / "multirun")
    # of six runs four are done; of the others, after one of two epochs, there is nothing
    assert in_a_process(tmp_path / "killed", stacked, ("stacked-epoch", 4, "self")) == -signal.SIGKILL
    kept = outcomes(tmp_path / "killed" / "multirun")
    assert len(kept) == 4 and kept.items() <= undisturbed.items()
    assert in_a_process(tmp_path / "killed", stacked) == 0
    assert_complete(tmp_path / "killed", undisturbed)


def launch_joblib(folder: Path, kill: str | None = None, more: tuple[str, ...] = ()) -> subprocess.Popen:
    """Start the sweep with two joblib workers in a process group of its own; its stderr goes to a file."""
    path = os.pathsep.join([str(FAULTS), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, **({"ORACLECHECK_KILL": kill} if kill else {})}
    call = [sys.executable, "-m", "oraclecheck", *SWEEP, *more, "hydra/launcher=joblib", "workers=2"]
    with (folder / "stderr").open("w") as stderr:
        return subprocess.Popen(call, cwd=folder, env=environment, stderr=stderr, start_new_session=True)


def relaunch_joblib(folder: Path, uninterrupted: dict, more: tuple[str, ...] = ()) -> None:
    second = launch_joblib(folder, more=more)
    assert second.wait() == 0, (folder / "stderr").read_text()
    assert_complete(folder, uninterrupted)


@pytest.mark.parametrize(
    "instant",
    [pytest.param(instant, marks=pytest.mark.slow) for instant in JOBLIB_INSTANTS],
    ids=lambda instant: "-".join(map(str, instant)),
)
def test_killed_joblib_sweep_is_completed_by_the_same_command(tmp_path, uninterrupted, instant):
    more = WITHOUT_WANDB * instant[0].startswith("dense")
    first = launch_joblib(tmp_path, ":".join(map(str, instant)), more)
    code, complaint = first.wait(), (tmp_path / "stderr").read_text()
    if instant[2] == "sweep":
        assert code == -signal.SIGKILL
    else:
        assert code == 1 and "of 6 runs are missing; the same command again runs only those" in complaint
    relaunch_joblib(tmp_path, uninterrupted, more)


def workers_in(folder: Path) -> list[int]:
    """joblib workers whose working directory is the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink() == folder and "LokyProcess" in (process / "cmdline").read_text():
                found.append(int(process.name))
    return found


@pytest.mark.slow
def test_workers_orphaned_by_a_killed_parent_do_no_harm(tmp_path, uninterrupted):
    first = launch_joblib(tmp_path)
    while first.poll() is None and not outcomes(tmp_path / "multirun"):
        time.sleep(0.1)
    first.kill()  # the parent alone: its workers live on for a while
    first.wait()
    relaunch_joblib(tmp_path, uninterrupted)
    for _ in range(100):
        if not workers_in(tmp_path):
            break
        time.sleep(0.2)
    assert not workers_in(tmp_path)


def test_order_set_and_launcher_do_not_matter(tmp_path, uninterrupted):
    backwards = ("-m", *QUICK, "combo=2,1,0", "repeat=1,0", "logger=none")
    one_process = (*QUICK, 'combo="1,0-2"', 'repeat="0-1"', "logger=none")
    # One worker of joblib runs in the sweep's process; several have their own in the tests of killed sweeps.
    joblib = (*SWEEP, "logger=none", "hydra/launcher=joblib", "hydra.launcher.n_jobs=1")
    for name, sweep in (("backwards", backwards), ("one_process", one_process), ("joblib", joblib)):
        folder = tmp_path / name
        folder.mkdir()
        assert in_a_process(folder, sweep) == 0
        assert_complete(folder, uninterrupted)
