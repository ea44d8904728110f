"""`make faults`: sweeps are killed, starved and cut short; a table says what is wrong after the same command again."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from random import Random

from rich.console import Console
from rich.table import Table

from faults.kinds import KILLS, KINDS, small_disk
from faults.sweeps import Undisturbed, files

COUNTS = ("lost", "doubled", "different", "left over")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=20241130)
    parser.add_argument("--share", type=float, default=1.0, help="of the trials of each kind; at least one is made")
    parser.add_argument("--only", default="", help="kinds that have this in their names")
    options = parser.parse_args()
    table = Table(box=None, pad_edge=False)
    for name in ("fault", "trials", "seconds", *COUNTS, "errors"):
        table.add_column(name, justify="left" if name == "fault" else "right")
    total = [0] * 5
    with tempfile.TemporaryDirectory() as parent:
        (base := Path(parent) / "undisturbed").mkdir()
        undisturbed = Undisturbed.of(base)
        kinds = {name: kind for name, kind in KINDS.items() if options.only in name}
        kills = 0
        for name, (count, trial) in kinds.items():
            if trial is small_disk and not can_mount(Path(parent)):
                print(f"{name}: left out, for nothing can be mounted here", file=sys.stderr)
                continue
            if "Ray" in name and find_spec("ray") is None:
                print(f"{name}: left out, for it needs pip install 'oraclecheck[ray]'", file=sys.stderr)
                continue
            start, wrong = time.monotonic(), [0] * 5
            trials = max(1, round(count * options.share))
            for number in range(trials):
                (folder := Path(parent) / "trial").mkdir()
                try:
                    found = [*trial(Random(f"{options.seed} {name} {number}"), folder, undisturbed), 0]
                except AssertionError as error:
                    print(f"{name}, trial {number}: {error}", file=sys.stderr)
                    found = [0, 0, 0, 0, 1]
                if any(found):
                    left = sorted(files(folder) - undisturbed.files)
                    print(f"{name}, trial {number}: {found} {' '.join(left)}", file=sys.stderr)
                wrong = [one + other for one, other in zip(wrong, found, strict=True)]
                shutil.rmtree(folder)
                if sys.stderr.isatty():
                    print(f"\r{name}: {number + 1} of {trials}\033[K", end="", file=sys.stderr, flush=True)
            seconds = time.monotonic() - start
            if sys.stderr.isatty():
                print("\r\033[K", end="", file=sys.stderr)
            else:
                print(f"{name}: {trials} trials, {seconds:.0f} s, {wrong}", file=sys.stderr, flush=True)
            table.add_row(name, str(trials), f"{seconds:.0f}", *map(str, wrong))
            total = [one + other for one, other in zip(total, wrong, strict=True)]
            kills += trials * KILLS.get(name, 1) if name.startswith("kill") else 0
    table.add_row("together", f"{kills} kills", "", *map(str, total))
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    return int(any(total))


def can_mount(folder: Path) -> bool:
    if os.getuid() != 0 or shutil.which("mount") is None:
        return False
    (place := folder / "mount").mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(place)], capture_output=True).returncode:
        return False
    subprocess.run(["umount", str(place)], check=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
