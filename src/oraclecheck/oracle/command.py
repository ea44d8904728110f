"""The exact oracle of a setting: `python -m oraclecheck.oracle model=... data=... pruning.ratio=...`."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from oraclecheck.command import schema
from oraclecheck.command.arguments import parse, quoted, tell
from oraclecheck.command.composition import initialised
from oraclecheck.exits import INTERRUPTED, USER_ERROR

if TYPE_CHECKING:
    from oraclecheck.oracle.searching import Searched

TOP = 10

USAGE = """python -m oraclecheck.oracle [KEY=VALUE ...]

Searches the whole space of a setting: the pruned train loss of every combination over all training images. It trains
or loads the same dense network as `python -m oraclecheck` does with the same arguments, and retrains nothing. What it
finds is kept in <paths.out>/oracle; `combo=oracle` and `combo=oracle-worst` then retrain the best and the worst one.
The same command again goes on where it was stopped.

  model=lenet5_mini data=mnist 'pruning.ratio={conv1: 0.5, conv2: 0.5}'    any argument of `python -m oraclecheck`
  oracle.top=20     how many of the best and of the worst combinations are shown
  workers=N         threads; null: one a core
  --config-dir DIR  with models and data of your own
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Search a space; returns the exit code.

    0: it is searched. 2: it is not because of the user's input, and a line says why.

    Args:
        argv: Command line without the program's name; None reads `sys.argv`.
    """
    arguments = [quoted(argument) for argument in (sys.argv[1:] if argv is None else argv)]
    if {"-h", "--help"} & {*arguments}:
        print(USAGE, end="")
        return 0
    show_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # makes Hydra raise, so that we can say it in one sentence
    schema.register()
    config_dir = None
    try:
        parsed = parse(arguments)
        config_dir = parsed.config_dir
        if parsed.multirun:
            raise ValueError("-m must be left out: a search is of one setting, and uses all cores")
        top, words = _top(parsed.overrides)
        _search(config_dir, words, top)
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        tell(error, config_dir, show_traceback=show_traceback)
        return USER_ERROR
    finally:
        os.environ["HYDRA_FULL_ERROR"] = "1" if show_traceback else "0"


def _top(words: Sequence[str]) -> tuple[int, list[str]]:
    """How many combinations are shown, and the other arguments."""
    top, others = TOP, []
    for word in words:
        key, _, value = word.partition("=")
        if not key.startswith("oracle."):
            others.append(word)
        elif key != "oracle.top":
            raise ValueError(f"there is no key {key!r}: did you mean oracle.top?")
        elif not value.isdecimal() or not 1 <= (top := int(value)) <= 10_000:
            raise ValueError(f"oracle.top must lie in [1, 10000]; got {value}")
    return top, others


def _search(config_dir: str | None, words: list[str], top: int) -> None:
    from hydra import compose

    from oraclecheck.command import overrides
    from oraclecheck.command.interpret import interpret
    from oraclecheck.command.places import count_workers
    from oraclecheck.command.preflight import check
    from oraclecheck.oracle.searching import searched

    with initialised(config_dir):
        given = {override.key_or_group for override in overrides.parse(words, multirun=False)}
        config = compose("config", overrides=schema.replacing(words))
    request = interpret(config, given)
    check(request)
    workers = count_workers(config.workers, 1, request.setting.trainer.accelerator, {"_target_": "threads"})
    found = searched(request.setting, top, workers)
    _show(found, top)


def _show(found: "Searched", top: int) -> None:
    """Print the best and the worst combinations, where the table lies, and what it took."""
    from rich.console import Console
    from rich.table import Table

    from oraclecheck.pruning.combination import spell_removed
    from oraclecheck.records.searches import extremes
    from oraclecheck.spelling import spell_seconds

    search, console = found.search, Console(width=None if sys.stdout.isatty() else 200, highlight=False, markup=False)
    for worst in (False, True) if search.complete else (False,):
        table = Table("worst" if worst else "best", "combo", "pruned train loss", "removed", box=None, pad_edge=False)
        for place, (index, score) in enumerate(extremes(found.path, top, worst=worst), start=1):
            table.add_row(str(place), str(index), f"{score:.6g}", spell_removed(found.space.unrank(index), 20))
        console.print(table)
        print()
    took = f"{spell_seconds(search.seconds)}, {spell_seconds(search.cpu_seconds)} of all cores together"
    kept = "" if search.complete else f", the best {search.rows:,} of them kept"
    print(f"all {found.space.size:,} combinations on {search.images:,} images{kept}, {search.way}: {took}")
    print(f"{found.path}")
