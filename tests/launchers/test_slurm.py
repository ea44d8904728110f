"""Workers as an array of SLURM jobs: what is asked of SLURM, and what a job's end at its time limit costs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import slurm
from quick import QUICK

from oraclecheck.leases import holder
from oraclecheck.records.store import RECORD, read_record

submitit = pytest.importorskip("submitit", reason="hydra/launcher=slurm needs pip install 'oraclecheck[slurm]'")

RUNS = 12
LONGER = ("retrain.epochs=20", "retrain.lr='0: 1e-2'")  # so that a signal comes amid a run
SWEEP = ("-m", *QUICK, *LONGER, "logger=none", f"combo=range({RUNS})", "workers=2")

INTENDED = """\
#!/bin/bash

# Parameters
#SBATCH --array=0-1%2
#SBATCH --cpus-per-task=2
#SBATCH --gpus-per-node=1
#SBATCH --job-name=oraclecheck
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --open-mode=append
#SBATCH --output={jobs}/%A_%a/%A_%a_0_log.out
#SBATCH --partition=long
#SBATCH --requeue
#SBATCH --signal=USR2@60
#SBATCH --time=1440
#SBATCH --wckey=submitit

# command
export SUBMITIT_EXECUTOR=slurm
srun --unbuffered --output {jobs}/%A_%a/%A_%a_%t_log.out {python} -u -m submitit.core._submit {jobs}/%j
"""


def start(*arguments: str, **environment: str) -> subprocess.Popen:
    """A command line in a process."""
    return subprocess.Popen(
        [sys.executable, "-m", "oraclecheck", *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def records(out: Path) -> dict[Path, int]:
    """When each record was written, in ns."""
    return {path: path.stat().st_mtime_ns for path in out.glob("lenet*/*/*/record.json")}


def test_array_is_asked_of_slurm_from_a_machine_without_a_gpu(tmp_path):
    environment = slurm.install(tmp_path / "slurm")
    (tmp_path / "slurm/refuse").write_text("sbatch: error: invalid partition specified: long")
    options = ("hydra.launcher.gpus_per_node=1", "hydra.launcher.partition=long", "paths.out=runs")
    command = (*SWEEP, "hydra/launcher=slurm", "trainer.accelerator=gpu", *options)
    process = start(*command, CUDA_VISIBLE_DEVICES="", **environment)
    _, complaint = process.communicate()
    assert process.returncode == 1 and "invalid partition specified: long" in complaint, complaint
    assert f"{RUNS} of {RUNS} runs are missing" in complaint and "Traceback" not in complaint
    script = (tmp_path / "slurm/script").read_text()
    assert script == INTENDED.format(jobs=tmp_path / "runs/.submitit", python=sys.executable)
    assert not list((tmp_path / "runs/dense").glob("*.pt"))  # the driver trains nothing


def test_machine_without_slurm_is_told_so(command):
    code, _, complaint = command(*SWEEP, "hydra/launcher=slurm")
    assert code == 2 and "hydra/launcher=slurm must be used where SLURM is; there is no sbatch here" in complaint


def struck(number: int, launcher: tuple[str, ...], tmp_path: Path, **environment: str) -> tuple[str, str]:
    """Send a worker a signal amid its runs; gives what the workers said, and what the command said on stderr."""
    process = start(*SWEEP, *launcher, **environment)
    out, before, told = tmp_path / "multirun", {}, None
    while told is None:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
        before = records(out)
        for claim in out.glob("lenet*/*/*/.claim") if len(before) >= 2 else ():
            told = holder(claim) if claim.with_name(RECORD) not in before else None
    os.kill(told[1], number)
    said, complaint = process.communicate()
    assert process.returncode == 0 and f"{RUNS} of {RUNS} runs have records" in said, complaint
    after = records(out)
    assert len(after) == RUNS and {read_record(path).status for path in after} == {"ok"}
    assert before.items() <= after.items()  # nothing that was done is done again
    assert not list(out.rglob(".claim")) and not list(out.rglob("*.tmp"))
    return "".join(path.read_text() for path in out.glob(".submitit/*/*_log.*")), complaint


@pytest.mark.slow
def test_worker_of_slurm_whose_time_is_up_is_queued_again(tmp_path):
    environment = slurm.install(tmp_path / "slurm")
    said, _ = struck(signal.SIGUSR2, ("hydra/launcher=slurm",), tmp_path, **environment)
    assert said.count("Requeued job") == 1 and said.count("Job completed successfully") == 2
    assert sorted(path.name for path in (tmp_path / "slurm").glob("task*")) == ["task0", "task1"]


@pytest.mark.slow
def test_killed_worker_of_slurm_leaves_its_runs_to_the_other(tmp_path):
    environment = slurm.install(tmp_path / "slurm")
    said, complaint = struck(signal.SIGKILL, ("hydra/launcher=slurm",), tmp_path, **environment)
    assert said.count("Job completed successfully") == 1
    assert "UncompletedJobError" in complaint or "FailedJobError" in complaint


@pytest.mark.slow
def test_array_goes_on_without_the_command_that_sent_it(tmp_path):
    process = start(*SWEEP, "hydra/launcher=slurm", **slurm.install(tmp_path / "slurm"))
    while not records(tmp_path / "multirun"):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate()
    assert process.returncode == 130 and "its jobs go on: scancel --name oraclecheck ends them" in complaint, complaint
    while [path.read_text() for path in (tmp_path / "slurm").glob("task*")] != ["COMPLETED"] * 2:
        time.sleep(0.1)
    assert len(records(tmp_path / "multirun")) == RUNS


@pytest.mark.slow
def test_worker_of_a_local_array_whose_time_is_up_is_started_again(tmp_path):
    launcher = ("hydra/launcher=submitit_local", "hydra.launcher.timeout_min=10")
    said, _ = struck(signal.SIGUSR2, launcher, tmp_path)
    assert said.count("Requeued job") == 1 and said.count("Job completed successfully") == 2
