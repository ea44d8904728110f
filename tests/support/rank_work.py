"""What tests let ranks do, each a process that imports it."""

import os
import time
from pathlib import Path

from oraclecheck.engines.sharded.ranks import Say, all_said, rank_and_ranks, run_ranks


def say_hello(folder: Path, say: Say) -> None:
    rank, _ = rank_and_ranks()
    say((rank, all_said(10 * rank)))


def fail_in_the_second(folder: Path, say: Say) -> None:
    if rank_and_ranks()[0] == 1:
        raise ValueError("the second cannot")
    time.sleep(600)


def die_in_the_second(folder: Path, say: Say) -> None:
    say(os.getpid())
    all_said(None)
    if rank_and_ranks()[0] == 1:
        os._exit(9)
    time.sleep(600)


def sleep(folder: Path, say: Say) -> None:
    (folder / f"{rank_and_ranks()[0]}.pid").write_text(str(os.getpid()))
    time.sleep(600)


def start_sleepers(folder: Path) -> None:
    run_ranks(2, False, sleep, folder, print)


def run_out_of_memory(folder: Path, say: Say) -> None:
    raise MemoryError("of this device")
