"""Which process did which run, written by hooks in the processes themselves.

A line is `<event> <seed of the run> <process>`: "begin" as an engine gets it, "written" when its record is in its
place, "end" when the process is done with it either way, and "doubled" as it is begun although its record was written
or while another process that lives does it. "born" is a process that can be killed.
"""

import os
from contextlib import suppress
from pathlib import Path


def install(path: Path) -> None:
    """Have this process keep the journal; its runs are to come."""
    from oraclecheck import experiment

    pipeline_of, write_record = experiment.pipeline_of, experiment.write_record

    def noted(runs):
        for run in runs:
            append(path, "begin", run.seed)
            if _is_done_or_being_done(path, run.seed):
                append(path, "doubled", run.seed)
            yield run

    def noting_pipeline_of(setting):
        prune_and_retrain = pipeline_of(setting)
        return lambda engine, runs, *arguments: prune_and_retrain(engine, noted(runs), *arguments)

    def write(place, record):
        try:
            write_record(place, record)
            if record.status != "failed":
                append(path, "written", record.seed)
        finally:
            append(path, "end", record.seed)

    experiment.pipeline_of, experiment.write_record = noting_pipeline_of, write
    append(path, "born", 0)


def append(path: Path, event: str, seed: int) -> None:
    """Add a line; several processes may at once."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.write(descriptor, f"{event} {seed} {os.getpid()}\n".encode())
    os.close(descriptor)


def events(path: Path) -> list[tuple[str, int, int]]:
    """The lines so far: event, seed, process."""
    with suppress(FileNotFoundError):
        words = [line.split() for line in path.read_text().splitlines()]
        return [(event, int(seed), int(process)) for event, seed, process in words]
    return []


def lives(process: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _is_done_or_being_done(path: Path, seed: int) -> bool:
    doing = set()
    for event, of, process in events(path):
        if of != seed:
            continue
        if event == "written":
            return True
        (doing.add if event == "begin" else doing.discard)(process)
    return any(lives(process) for process in doing - {os.getpid()})
