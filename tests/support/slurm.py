"""A SLURM of this machine: what sbatch, srun, sacct and scontrol do for arrays, as programs in a folder."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

JOB = "4711"


def install(folder: Path) -> dict[str, str]:
    """Write the programs; gives the environment in which they are found."""
    folder.mkdir()
    for name in ("sbatch", "srun", "sacct", "scontrol"):
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" {name} "$@"\n')
        program.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "SLURM_HERE": str(folder)}


def sbatch(script: str) -> None:
    """Start the tasks of an array, or, if there is a file `refuse`, say what is in it."""
    here, text = Path(os.environ["SLURM_HERE"]), Path(script).read_text()
    (here / "script").write_text(text)
    if (here / "refuse").exists():
        sys.exit((here / "refuse").read_text())
    last = int(re.search(r"--array=0-(\d+)", text)[1])
    for task in range(last + 1):
        names = {"JOB_ID": str(int(JOB) + 1 + task), "ARRAY_JOB_ID": JOB, "ARRAY_TASK_ID": str(task)}
        names |= {"PROCID": "0", "LOCALID": "0", "NODEID": "0", "NTASKS": "1", "JOB_NUM_NODES": "1"}
        names |= {"JOB_NAME": "oraclecheck", "JOB_NODELIST": "here", "NTASKS_PER_NODE": "1"}
        environment = {**os.environ, **{f"SLURM_{name}": value for name, value in names.items()}}
        quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        run = [sys.executable, __file__, "task", script]
        subprocess.Popen(run, env=environment, start_new_session=True, **quiet)
    print(f"Submitted batch job {JOB}")


def task(script: str) -> None:
    """Run a task of an array, again for as long as it is queued again."""
    here, number = Path(os.environ["SLURM_HERE"]), os.environ["SLURM_ARRAY_TASK_ID"]
    (here / f"task{number}").write_text("RUNNING")
    code = subprocess.run(["bash", script]).returncode
    while (here / f"requeue{number}").exists():
        (here / f"requeue{number}").unlink()
        code = subprocess.run(["bash", script]).returncode
    (here / f"task{number}").write_text("FAILED" if code else "COMPLETED")


def srun(*arguments: str) -> None:
    """Run a task's command; its output goes where it is told."""
    names = {"%A": "ARRAY_JOB_ID", "%a": "ARRAY_TASK_ID", "%t": "PROCID", "%j": "JOB_ID"}
    output, command = arguments[2], list(arguments[3:])  # behind --unbuffered --output
    for sign, name in names.items():
        output = output.replace(sign, os.environ[f"SLURM_{name}"])
    with open(output, "a") as file:
        sys.exit(subprocess.run(command, stdout=file, stderr=file).returncode)


def sacct(*_: str) -> None:
    """What became of the tasks."""
    print("JobID|State|NodeList")
    for path in sorted(Path(os.environ["SLURM_HERE"]).glob("task*")):
        print(f"{JOB}_{path.name.removeprefix('task')}|{path.read_text()}|here")


def scontrol(_: str, job: str) -> None:
    """Queue a task again; SLURM ends it thereupon."""
    (Path(os.environ["SLURM_HERE"]) / f"requeue{job.partition('_')[2]}").touch()
    time.sleep(0.5)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
