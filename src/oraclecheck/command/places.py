"""Places: how many workers a machine takes, and the GPU that each of them has for itself."""

import os
import re
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock, Timeout

SLOT_SECONDS = 2.0  # between looks for a free one

ELSEWHERE = {"hydra_plugins.hydra_ray_launcher": "ray", "hydra_plugins.hydra_submitit_launcher": "slurm"}
"""Packages of launchers that start workers on other machines, and the extras that bring them."""

NO_WAITING = "RAY_prestart_worker_first_driver"
"""Of Ray: "0" keeps the first command of a cluster from waiting, forever, for a process that dies as it starts."""

MPS = "mps"
"""The GPU of a Mac, of which there is one."""


def is_elsewhere(launcher: Mapping[str, Any]) -> bool:
    """Whether a launcher starts its workers on other machines, of which this one knows nothing."""
    return launcher["_target_"].startswith(tuple(ELSEWHERE))


def is_scheduled(launcher: Mapping[str, Any]) -> bool:
    """Whether workers are jobs of SLURM's, which go on without the command that sent them."""
    return str(launcher["_target_"]).endswith("SlurmLauncher")


def check_launcher(launcher: Mapping[str, Any], each: int = 1, accelerator: str = "auto") -> None:
    """Find out whether a launcher can start workers that have what they need.

    Args:
        launcher: Hydra's configuration of it.
        each: Devices that each network is sharded over; 1: it is not.
        accelerator: `trainer.accelerator`.

    Raises:
        ValueError: If a package or a program that it needs is not there, or it gives workers fewer GPUs.
    """
    package = ".".join(launcher["_target_"].split(".")[:2])
    extra = ELSEWHERE.get(package)
    if extra is not None and find_spec(package) is None:
        raise ValueError(f"hydra/launcher must be installed; got {extra}: pip install 'oraclecheck[{extra}]' brings it")
    if is_scheduled(launcher):
        for program in ("sbatch", "srun"):
            if shutil.which(program) is None:
                raise ValueError(f"hydra/launcher=slurm must be used where SLURM is; there is no {program} here")
    if each > 1 and extra is not None and accelerator != "cpu":
        key, given = _gpus_of_a_worker(launcher, extra)
        if given is not None and given < each:
            raise ValueError(
                f"hydra.launcher.{key} must be at least trainer.devices, {each}, for each worker shards its network "
                f"over so many GPUs; got {given:g}"
            )


def _gpus_of_a_worker(launcher: Mapping[str, Any], extra: str) -> tuple[str, float | None]:
    """The key of a cluster's launcher that gives each worker its GPUs, and how many; None where it cannot be told."""
    if extra == "ray":
        return "ray.remote.num_gpus", float(launcher.get("ray", {}).get("remote", {}).get("num_gpus") or 0)
    if "gpu" in str(launcher.get("additional_parameters")) or "gres" in str(launcher.get("additional_parameters")):
        return "additional_parameters", None
    for key in ("gres", "gpus_per_node", "gpus_per_task"):
        for part in str(launcher.get(key) or "").split(","):
            if key != "gres" or part.startswith("gpu"):  # 4, h200:4, gpu, gpu:4, gpu:h200:4(S:0-1)
                count = re.search(r"(?:^|:)(\d+)(?:\(.*)?$", part)
                if part:
                    return key, float(count[1]) if count else 1.0
    return "gpus_per_node", 0.0


def count_workers(
    asked: int | None, gpu_slots: int, accelerator: str, launcher: Mapping[str, Any], each: int = 1
) -> int:
    """How many workers a sweep starts, if there is work for so many.

    Args:
        asked: `workers`.
        gpu_slots: Workers that share a GPU.
        accelerator: `trainer.accelerator`.
        launcher: Hydra's configuration of it.
        each: GPUs, or cores, that a worker takes.

    Raises:
        ValueError: If there are fewer places, or nobody can know how many there are.
    """
    if asked is not None and asked < 1:
        raise ValueError(f"workers must be at least 1; got {asked}")
    if gpu_slots < 1:
        raise ValueError(f"gpu_slots must be at least 1; got {gpu_slots}")
    if "basic" in launcher["_target_"]:
        if asked not in (None, 1):
            raise ValueError(f"workers must be 1 with hydra/launcher=basic; got {asked}: leave the launcher out")
        return 1
    if is_elsewhere(launcher):
        if asked is None:
            raise ValueError("workers must say how many are to be started there; got null: workers=8 for eight")
        return asked
    limit = launcher.get("n_jobs", -1)
    devices = gpus(accelerator)
    if devices:
        slots = max(1, len(devices) // each) * gpu_slots
        if asked is not None and asked > slots:
            places = f"{len(devices)} GPUs" if each == 1 else f"{len(devices)} GPUs, of which a worker takes {each}"
            raise ValueError(f"workers must be at most {slots}, gpu_slots={gpu_slots} on each of {places}; got {asked}")
        return min(asked or slots, limit if limit > 0 else slots)
    return asked or (limit if limit > 0 else max(1, cores() // each))


def cores() -> int:
    """The cores that this process may use: those it is bound to, and no more than its container is given."""
    from joblib import cpu_count

    return int(cpu_count())


def gpus(accelerator: str) -> list[str]:
    """The GPUs that workers on this machine may use, as CUDA_VISIBLE_DEVICES names them, or `MPS`; none is opened.

    Parts of a GPU (MIG) are used if CUDA_VISIBLE_DEVICES names them.
    """
    if accelerator not in ("auto", "gpu", "cuda", MPS):
        return []
    import torch

    if accelerator != "cuda" and torch.mps.device_count():
        return [MPS]
    count = torch.cuda.device_count() if accelerator != MPS else 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None or not count:
        return [str(i) for i in range(count)]
    named = [name.strip() for name in visible.split(",")]
    if named[0].startswith("MIG-"):  # a process sees the first of them alone
        return list(dict.fromkeys(filter(None, named)))
    return named[:count]


def take_gpus(devices: Sequence[str], slots: int, each: int = 1) -> list[BaseFileLock]:
    """Make this process use one GPU alone, or so many, for as long as it lives; waits while every slot is taken.

    Call it before anything looks for a GPU. The slot is a locked file, which a killed process lets go of, in a folder
    that all sweeps of this user on this machine share (within a job of SLURM's, whose devices are its own). They know
    a GPU by its name: give all of them numbers in CUDA_VISIBLE_DEVICES, or all of them UUIDs.

    Args:
        devices: See `gpus`; nothing happens if there is none.
        slots: Of each.
        each: How many this process uses: the first so many, or the next, and a slot of each of them.

    Returns:
        The slots; keep them.
    """
    groups = [devices[start : start + each] for start in range(0, len(devices) - each + 1, each)]
    if not groups:
        return []
    owner = "-".join([str(os.getuid()), socket.gethostname(), *filter(None, [os.environ.get("SLURM_JOB_ID")])])
    folder = Path(tempfile.gettempdir()) / f"oraclecheck-gpus-{owner}"
    folder.mkdir(mode=0o700, exist_ok=True)
    said = False
    while True:
        for slot in range(slots):  # one on each GPU, before a second on the first
            for group in groups:
                locks = _locked([folder / f"{device.replace('/', '_')}.{slot}.lock" for device in group])
                if locks:
                    if MPS not in group:
                        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(group)
                    return locks
        if not said:
            print("oraclecheck: every GPU is taken; waiting for a free slot", file=sys.stderr, flush=True)
            said = True
        time.sleep(SLOT_SECONDS)


def _locked(paths: Sequence[Path]) -> list[BaseFileLock]:
    """Locks of all these files, or of none."""
    locks: list[BaseFileLock] = []
    for path in paths:
        lock = FileLock(path, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            for taken in locks:
                taken.release()
            return []
        locks.append(lock)
    return locks
