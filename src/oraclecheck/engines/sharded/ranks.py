"""Ranks: processes that do one thing together, each on its own device, watched over by the one that starts them."""

import multiprocessing
import os
import shutil
import signal
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

Say = Callable[[Any], None]
"""Tells the process that started the ranks something that can be pickled."""

Together = Callable[[Path, Say], None]
"""What ranks do: called in each of them with a folder that all of them see."""

TOLD, DONE, FAILED = "told", "done", "failed"


def rank_and_ranks() -> tuple[int, int]:
    """The number of this process among the ranks that it belongs to, and how many they are; (0, 1) of any other."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def all_said(said: Any) -> list[Any]:
    """What each rank says, which has to be something that can be pickled; all of them have to ask."""
    told: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(told, said)
    return told


def run_ranks(count: int, cuda: bool, work: Together, folder: Path, hear: Say) -> None:
    """Do something in so many ranks, and wait until all have done it; none of them outlives this call, or the caller.

    Args:
        count: Ranks.
        cuda: Whether each has a GPU, the one of its number; else they are on the CPU.
        work: A function of a module, for it goes to processes that begin anew.
        folder: What it is called with; the ranks find each other there, and remove it if the caller is killed.
        hear: Called with all that ranks say.

    Raises:
        RuntimeError: If a rank has raised something or died; the others are ended then.
    """
    context = multiprocessing.get_context("spawn")
    processes, ears = [], []
    try:
        for rank in range(count):
            ear, mouth = context.Pipe(duplex=False)
            process = context.Process(target=_be, args=(rank, count, cuda, work, folder, mouth))
            process.start()
            mouth.close()
            processes.append(process)
            ears.append(ear)
        _listen(ears, hear)
        for process in processes:
            process.join()
    finally:
        for process in processes:
            process.kill()
            process.join()


def _listen(ears: list[Connection], hear: Say) -> None:
    """Hear what ranks say until all are done."""
    busy = list(ears)
    while busy:
        for ear in wait(busy):
            assert isinstance(ear, Connection)
            try:
                what, said = ear.recv()
            except EOFError:
                raise RuntimeError(f"rank {ears.index(ear)} of {len(ears)} has died") from None
            if what == TOLD:
                hear(said)
            elif what == DONE:
                busy.remove(ear)
            else:
                raise RuntimeError(f"rank {ears.index(ear)} of {len(ears)} has failed:\n{said}")


def _be(rank: int, count: int, cuda: bool, work: Together, folder: Path, mouth: Connection) -> None:
    """A rank's life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it ends it
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    os.environ.update(LOCAL_RANK=str(rank), RANK=str(rank), NODE_RANK="0")  # where Lightning looks
    try:
        device = torch.device("cuda", rank) if cuda else None
        if device is not None:
            torch.cuda.set_device(device)
        dist.init_process_group(
            "nccl" if cuda else "gloo",
            init_method=(folder / "rendezvous").as_uri(),  # a port could be another's by now
            rank=rank,
            world_size=count,
            device_id=device,
        )
        work(folder, lambda said: mouth.send((TOLD, said)))
        dist.destroy_process_group()
    except BaseException:
        mouth.send((FAILED, traceback.format_exc()))
    else:
        mouth.send((DONE, None))


def _end_with_parent(folder: Path) -> None:
    """A worker that is killed lets go of its GPUs and of its claim, which others then take."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)
