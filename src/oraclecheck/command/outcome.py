"""What came of a command: what was done, where it lies, and what is missing."""

from collections.abc import Sequence
from contextlib import suppress

from oraclecheck.command.request import Request
from oraclecheck.pipelines.dense import dense_path, study_if_known
from oraclecheck.pruning.combination import spell_removed
from oraclecheck.records.record import Record
from oraclecheck.records.store import is_done, read_record

MOST_LINES = 10  # a run's own line, for commands of a few runs
MOST_FILTERS = 20  # listed in it


def summary(parts: Sequence[Request]) -> list[str]:
    """What was done and where it lies, a line each."""
    lines = []
    for part in parts:
        study, paths = study_if_known(part.setting), part.paths()
        if study is None or paths is None:
            continue
        if part.stage == "pretrain":
            lines.append(f"dense network: {dense_path(part.setting)}")
            continue
        done = [path for path in paths if is_done(path, study.hash)]
        if len(paths) <= MOST_LINES:
            lines.extend(_describe(read_record(path)) for path in done)
        folder = part.setting.paths.out / study.name
        lines.append(f"{len(done)} of {len(paths)} runs have records in {folder}")
        lines.append(f"next: python -m oraclecheck.report {folder}")
    return lines


def complaint(parts: Sequence[Request]) -> str | None:
    """One line that says how many runs are missing and how to run only those; None if none is."""
    missing = [part.missing() for part in parts]
    count = sum(len(part.runs) if paths is None else len(paths) for part, paths in zip(parts, missing, strict=True))
    if all(paths == [] for paths in missing):
        return None
    total = sum(len(part.runs) for part in parts)
    if not total:
        return "the dense network is missing; the same command again trains it"
    failed = []
    for path in (path for paths in missing for path in paths or []):
        with suppress(FileNotFoundError, ValueError):
            failed.append((path, read_record(path).error or ""))
    why = ""
    if failed:
        path, error = failed[0]
        why = f" ({len(failed)} failed, the first with {error.strip().splitlines()[-1]!r}: see {path})"
    return f"{count} of {total} runs are missing{why}; the same command again runs only those"


def _describe(record: Record) -> str:
    removed = spell_removed(record.removed, MOST_FILTERS)
    head = f"combination {record.picked_by or record.combo} (without {removed}), repeat {record.repeat}"
    if record.status == "diverged":
        return f"{head}: diverged"
    return (
        f"{head}: pruned train loss {record.pruned_train_loss:.4f}, final test accuracy "
        f"{record.final_test_accuracy:.4f} (best {record.best_test_accuracy:.4f} in epoch {record.best_epoch})"
    )
