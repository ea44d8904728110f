"""How far sweeps are: `python -m oraclecheck.status [FOLDER]`, from any machine that sees the folder."""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from oraclecheck.command.sets import SET_LIMIT, parse_set
from oraclecheck.exits import COMPLETE, INCOMPLETE, INTERRUPTED, USER_ERROR, Parser
from oraclecheck.leases import holder
from oraclecheck.records.asked import Asked, asked_of, pending
from oraclecheck.records.state import State, Watch, runs_of
from oraclecheck.spelling import spell_rate, spell_seconds
from oraclecheck.study.folder import RUNS_FILE, STUDY_FILE

WATCH_SECONDS = 2.0
"""Between two looks of `--watch`."""

MOST_WORKERS = 4  # named in a row


@dataclass(frozen=True)
class Row:
    """A study, how far it is, and of one without a folder the file of its dense network, and who trains that."""

    study: str
    state: State
    waits_for: str | None = None
    trainer: str | None = None


def main(argv: Sequence[str] | None = None) -> int:
    """Print how far the studies of a folder are; returns the exit code.

    0: nothing that was asked for is missing. 1: something is. 2: there are no studies.

    Args:
        argv: Command line without the program's name; None reads `sys.argv`.
    """
    parser = Parser(prog="python -m oraclecheck.status", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("multirun"), metavar="FOLDER",
                        help="a folder of studies, or a study; default: multirun")  # fmt: skip
    parser.add_argument("--watch", action="store_true", help="go on looking until all is done or Ctrl-C")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    studies = Studies(options.folder)
    try:
        rows = studies.look()
        if not rows:
            print(f"oraclecheck: FOLDER must hold studies; there are none in {options.folder}", file=sys.stderr)
            return USER_ERROR
        if options.json:
            print(json.dumps([_described(row) for row in rows], indent=1))
        elif options.watch:
            with Live(_table(rows), auto_refresh=False, console=_console()) as live:
                while not _complete(rows):
                    time.sleep(WATCH_SECONDS)
                    rows = studies.look()
                    live.update(_table(rows), refresh=True)
        else:
            _console().print(_table(rows))
    except KeyboardInterrupt:
        return INTERRUPTED
    return COMPLETE if _complete(rows) else INCOMPLETE


class Studies:
    """The studies of a folder, looked at again and again.

    Args:
        folder: Of studies, or one study's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._watches: dict[tuple[Path, tuple[Asked, ...]], Watch] = {}

    def look(self) -> list[Row]:
        """Every study: those with a folder by name, then those that have none yet."""
        folders = [self._folder] if (self._folder / STUDY_FILE).is_file() else sorted(self._folder.glob("*/"))
        rows = [Row(folder.name, self._state(folder)) for folder in folders if (folder / STUDY_FILE).is_file()]
        return [*rows, *self._waiting()]

    def _state(self, folder: Path) -> State:
        published = folder / RUNS_FILE
        return _published(published) if published.is_file() else self._watch(folder).look()

    def _watch(self, folder: Path) -> Watch:
        asked = tuple(asked_of(folder))
        key = folder, asked
        if key not in self._watches:
            self._watches[key] = Watch(folder, _runs(asked) if asked else None)
        return self._watches[key]

    def _waiting(self) -> Iterator[Row]:
        """Studies without a folder, whose runs nobody has begun; some wait for their dense networks."""
        together: dict[tuple[str, str], list[Asked]] = {}
        for setting, asked in pending(self._folder):
            together.setdefault((setting, asked.dense), []).append(asked)
        for all_asked in together.values():
            first = all_asked[0]
            who = holder(self._folder / "dense" / f".{first.dense}.claim")
            trainer = None if who is None else f"{who[0]}:{who[1]}"
            yield Row(first.label, State(len(_runs(all_asked))), first.dense, trainer)


def _published(file: Path) -> State:
    """A published study has all the runs that it will ever have."""
    from pyarrow import parquet

    words = parquet.read_table(file, columns=["status"])["status"].to_pylist()
    return State(len(words), done=words.count("ok"), diverged=words.count("diverged"))


def _runs(asked: Sequence[Asked]) -> set[tuple[str, str]]:
    runs: set[tuple[str, str]] = set()
    for each in asked:
        try:
            combinations = parse_set(each.combo, "combo", _Words())
            repeats = [int(repeat) for repeat in parse_set(each.repeat, "repeat")]
        except ValueError:  # no note of ours
            continue
        if len(combinations) * len(repeats) > SET_LIMIT:
            continue
        runs |= runs_of(combinations, repeats)
    return runs


class _Words:
    """Whatever names criteria may have."""

    def __contains__(self, word: object) -> bool:
        return isinstance(word, str) and not word[:1].isdigit() and word.isidentifier()

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _complete(rows: Sequence[Row]) -> bool:
    return all(row.state.over == row.state.asked for row in rows)


def _table(rows: Sequence[Row]) -> Table:
    table = Table("study", box=None, pad_edge=False)
    for name in ("asked", "done", "running", "failed", "diverged", "missing", "rate", "left"):
        table.add_column(name, justify="right")
    table.add_column("who, and what went wrong last", overflow="fold")
    for row in rows:
        state = row.state
        numbers = (state.asked, state.done, len(state.running), state.failed, state.diverged, state.missing)
        rate = spell_rate(state.rate) if state.rate else ""
        left = spell_seconds(state.left) if state.left else ""
        table.add_row(row.study, *(f"{number:,}" for number in numbers), rate, left, _remark(row))
    return table


def _remark(row: Row) -> str:
    if row.trainer:
        return f"{row.trainer} trains its dense network, {row.waits_for}"
    if row.waits_for:
        return f"nobody has begun; dense network {row.waits_for}"
    since = {(run.host, run.process): run.since for run in row.state.running}
    workers = [f"{host}:{process} for {spell_seconds(max(0, time.time() - begun))}"
               for (host, process), begun in sorted(since.items())]  # fmt: skip
    more = len(workers) - MOST_WORKERS
    parts = [*workers[:MOST_WORKERS], *([f"{more} more"] if more > 0 else [])]
    sentences = [", ".join(parts), row.state.last_error or ""]
    return "; ".join(filter(None, sentences))


def _described(row: Row) -> dict[str, Any]:
    """A row as JSON has it; times are seconds, of `since` since 1970."""
    state = row.state
    running = [
        {"combination": each.run[0], "repeat": int(each.run[1]), "host": each.host, "process": each.process,
         "since": each.since}
        for each in state.running
    ]  # fmt: skip
    counts = {name: value for name, value in asdict(state).items() if name not in ("running", "seconds")}
    return {
        "study": row.study,
        **counts,
        "missing": state.missing,
        "running": running,
        "runs_per_hour": state.rate,
        "seconds_left": state.left,
        "waits_for": row.waits_for,
        "dense_network_trained_by": row.trainer,
    }


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else 200, highlight=False, markup=False)


if __name__ == "__main__":
    sys.exit(main())
