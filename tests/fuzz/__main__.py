"""`make fuzz`: wrong and hostile input of every kind; a table says how much of it, and what was found."""

import argparse
import sys
import time
import traceback
from typing import Any

from hypothesis import HealthCheck, Phase, example, given, seed, settings
from rich.console import Console
from rich.table import Table

from fuzz.targets import TARGETS, Target, base
from fuzz.world import fuzzing


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=20241130)
    parser.add_argument("--only", default="", help="kinds of input that have this in their names")
    options = parser.parse_args()
    table = Table(box=None, pad_edge=False)
    for name in ("input", "examples", "of them the tests' own", "seconds", "found"):
        table.add_column(name, justify="left" if name == "input" else "right")
    total = [0, 0, 0.0, 0]
    with fuzzing():
        base()
        for name, target in TARGETS.items():
            if options.only in name:
                numbers = fuzz(name, target, round(options.examples * target.share), options.seed)
                total = [one + other for one, other in zip(total, numbers, strict=True)]
                table.add_row(name, *(f"{number:,.0f}" for number in numbers))
    table.add_row("together", *(f"{number:,.0f}" for number in total))
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    return int(total[3] > 0)


def fuzz(name: str, target: Target, count: int, with_seed: int) -> tuple[int, int, float, int]:
    """Make so many examples; gives how many there were, how many of them tests have, the seconds, what was found."""
    corpus, seen, found = list(target.corpus()), 0, 0

    def check(made: Any) -> None:
        nonlocal seen
        seen += 1
        if seen % 20 == 0 and sys.stderr.isatty():
            print(f"\r{name}: {seen:,} of {count:,}\033[K", end="", file=sys.stderr, flush=True)
        target.check(made)

    run = given(target.inputs)(check)
    for each in corpus:
        run = example(each)(run)
    generated = max(1, count - len(corpus))
    several = settings(
        max_examples=generated,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],  # to make it small takes longer than to find it
        suppress_health_check=[*HealthCheck],
    )
    start = time.monotonic()
    try:
        seed(with_seed)(several(run))()
    except Exception as error:
        found = len(error.exceptions) if isinstance(error, ExceptionGroup) else 1
        print(f"\r{name}:", file=sys.stderr)
        traceback.print_exception(error)
    seconds = time.monotonic() - start
    print(f"\r{name}: {seen:,} examples, {seconds:.0f} s, {found} found", file=sys.stderr, flush=True)
    return seen, len(corpus), seconds, found


if __name__ == "__main__":
    sys.exit(main())
