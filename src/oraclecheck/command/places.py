"""Places: how many workers a machine takes, and the GPU that each of them has for itself."""

import os
import socket
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock, Timeout

SLOT_SECONDS = 2.0  # between looks for a free one

ELSEWHERE = ("ray", "submitit")
"""Words in the names of launchers that start workers on other machines."""


def is_elsewhere(launcher: Mapping[str, Any]) -> bool:
    """Whether a launcher starts its workers on other machines, of which this one knows nothing."""
    return any(word in launcher["_target_"] for word in ELSEWHERE)


def count_workers(asked: int | None, gpu_slots: int, accelerator: str, launcher: Mapping[str, Any]) -> int:
    """How many workers a sweep starts, if there is work for so many.

    Args:
        asked: `workers`.
        gpu_slots: Workers that share a GPU.
        accelerator: `trainer.accelerator`.
        launcher: Hydra's configuration of it.

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
        slots = len(devices) * gpu_slots
        if asked is not None and asked > slots:
            raise ValueError(
                f"workers must be at most {slots}, gpu_slots={gpu_slots} on each of {len(devices)} GPUs; got {asked}"
            )
        return min(asked or slots, limit if limit > 0 else slots)
    return asked or (limit if limit > 0 else len(os.sched_getaffinity(0)))


def gpus(accelerator: str) -> list[str]:
    """The GPUs that workers on this machine may use, as CUDA_VISIBLE_DEVICES names them; none is opened."""
    if accelerator not in ("auto", "gpu", "cuda"):
        return []
    import torch

    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return [str(i) for i in range(torch.cuda.device_count())]
    named = [name.strip() for name in visible.split(",") if name.strip()]
    return named[: torch.cuda.device_count()]


def take_gpu(devices: Sequence[str], slots: int) -> BaseFileLock | None:
    """Make this process use one GPU alone, for as long as it lives; waits while every slot is taken.

    Call it before anything looks for a GPU. The slot is a locked file, which a killed process lets go of, in a folder
    that all sweeps of this machine and user share.

    Args:
        devices: See `gpus`; nothing happens if there is none.
        slots: Of each.

    Returns:
        The slot; keep it.
    """
    if not devices:
        return None
    folder = Path(tempfile.gettempdir()) / f"oraclecheck-gpus-{os.getuid()}-{socket.gethostname()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    said = False
    while True:
        for slot in range(slots):  # one on each GPU, before a second on the first
            for device in devices:
                lock = FileLock(folder / f"{device.replace('/', '_')}.{slot}.lock", timeout=0)
                try:
                    lock.acquire()
                except Timeout:
                    continue
                os.environ["CUDA_VISIBLE_DEVICES"] = device
                return lock
        if not said:
            print("oraclecheck: every GPU is taken; waiting for a free slot", file=sys.stderr, flush=True)
            said = True
        time.sleep(SLOT_SECONDS)
