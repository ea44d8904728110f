"""The sweep a command line asks for: which runs of which studies, and which of them have no record yet."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import product

from hydra import compose
from hydra.core.override_parser.types import Override

from oraclecheck.command.interpret import interpret, parse_repeats
from oraclecheck.command.overrides import alternatives, parse, sweeper_params, values
from oraclecheck.command.preflight import check
from oraclecheck.command.request import Request
from oraclecheck.command.schema import replacing
from oraclecheck.command.sets import SET_LIMIT, parse_set
from oraclecheck.criteria.pick import FILTER_SCORES
from oraclecheck.pipelines.dense import dense_path, study_if_known
from oraclecheck.pruning.combination import spell_removed
from oraclecheck.records.record import Record
from oraclecheck.records.store import is_done, read_record


def plan(overrides: Sequence[str], multirun: bool) -> list[Request]:
    """Compose and check a command line before anything runs; call it where Hydra is initialised.

    The jobs of a sweep differ mostly in `combo` and `repeat`; what is left is composed once, not a thousand times.

    Args:
        overrides: The command line's `KEY=VALUE` arguments; of several files that bring their own sweeps, one alone
            (see `overrides.commands`).
        multirun: Whether it sweeps (`-m`).

    Raises:
        ValueError: If a job could not run; see `interpret` and `preflight.check`.
        HydraException: If a job could not be composed.
    """
    parsed = parse(overrides, multirun)
    if multirun:
        parsed = _with_sweeper_params(parsed)
    given = {override.key_or_group: override for override in parsed}  # the last of a key counts, as for Hydra
    runs = {key: values(given[key]) for key in ("combo", "repeat") if multirun and key in given}
    varied = [override for override in parsed if override.key_or_group not in runs]
    parts = []
    for job in product(*(_alternatives(override, multirun) for override in varied)):
        first = [f"{key}={swept[0]!r}" for key, swept in runs.items()]
        request = interpret(compose("config", overrides=replacing([*job, *first])), given)
        if "combo" in runs:
            members = [member for value in runs["combo"] for member in parse_set(value, "combo", FILTER_SCORES)]
            request = replace(request, combinations=list(dict.fromkeys(members)))
        if "repeat" in runs:
            request = replace(request, repeats=parse_repeats(runs["repeat"]))
        count = len(request.combinations) * len(request.repeats)
        if count > SET_LIMIT:
            raise ValueError(f"combo and repeat must ask for at most {SET_LIMIT:,} runs; got {count:,}")
        check(request)
        parts.append(request)
    return parts


def _with_sweeper_params(parsed: Sequence[Override]) -> list[Override]:
    """The overrides with those that a configuration brings as `hydra.sweeper.params`; the last of a key counts."""
    brought = parse([f"{key}={value}" for key, value in sweeper_params(parsed).items()], multirun=True)
    return list({override.get_key_element(): override for override in [*brought, *parsed]}.values())


def _alternatives(override: Override, multirun: bool) -> list[str]:
    if multirun and override.is_sweep_override():
        return alternatives(override)
    return [override.input_line or f"{override.get_key_element()}={override.get_value_element_as_str()}"]


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
        records = [read_record(path) for path in paths if is_done(path, study.hash)]
        if len(paths) <= MOST_LINES:
            lines.extend(_describe(record) for record in records)
        folder = part.setting.paths.out / study.name
        lines.append(f"{len(records)} of {len(paths)} runs have records in {folder}")
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
