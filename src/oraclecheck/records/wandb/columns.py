"""A record's columns in W&B and back, exact: its config says what a run is, its summary what came of it.

W&B is JSON all the way: it flattens or reorders mappings, may round integers beyond 2^53, and has no infinity. So
mappings and lists travel as JSON strings, such integers as digits, what is not finite as "nan", "inf" or "-inf"; all
other numbers stay numbers, under the record's names, for W&B's own panels.
"""

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from oraclecheck.files import encoded
from oraclecheck.pruning.masks.choice import is_mask_choice
from oraclecheck.records.columns import NESTED, from_text, to_text
from oraclecheck.records.record import KINDS, Record, check_schema
from oraclecheck.records.siblings import SHARED, deviations
from oraclecheck.records.unfinished import check_identity, unfinished_row
from oraclecheck.study.identity import IDENTITY

JOB_TYPE = "retrain"
"""W&B's word for what a mirrored run does; other runs of a project are not ours to read."""

MOST_LAYERS, MOST_LETTERS = 4, 64
"""Named in a run's name; of a tag: W&B refuses longer ones."""

EXACT = 2**53
"""Every integer up to here is a floating-point number."""


def to_config(identity: Mapping[str, Any]) -> dict[str, Any]:
    """W&B's config of a run."""
    return {name: _to_wandb(name, identity[name]) for name in IDENTITY}


def flat_config(identity: Mapping[str, Any], recipe: Mapping[str, Any]) -> dict[str, Any]:
    """What W&B's panels can filter and group by: `ratio/LAYER`, `removed/LAYER` and `retrain/KEY`, one value each."""
    schedule = ", ".join(f"{epoch}: {rate:g}" for epoch, rate in recipe.get("schedule", ()))
    values = {**recipe, "schedule": schedule} if recipe else {}
    removed = identity["removed"]
    if not is_mask_choice(removed):
        removed = {layer: " ".join(map(str, filters)) for layer, filters in removed.items()}
    return {
        **{f"ratio/{layer}": ratio for layer, ratio in identity["pruning_ratio"].items()},
        **{f"removed/{name}": value for name, value in removed.items()},
        **{f"retrain/{name}": value for name, value in values.items() if value is not None},
    }


def to_display(identity: Mapping[str, Any]) -> dict[str, Any]:
    """What a researcher reads in W&B's list of runs: a name, and tags to choose by (of at most 64 letters)."""
    ratios = dict.fromkeys(f"{ratio:g}" for ratio in identity["pruning_ratio"].values())
    layers = identity["layers"] if len(identity["layers"]) <= MOST_LAYERS else [f"{len(identity['layers'])} layers"]
    cell = f"{'/'.join(layers)} {'/'.join(ratios)}"
    seed = "loaded" if identity["pretrain_seed"] is None else f"seed {identity['pretrain_seed']}"
    combination = identity["picked_by"] or identity["combo"]
    tags = [identity["model"], identity["data"], identity["wiring"], cell, seed]
    name = f"{cell}, {seed}: combination {combination}, repeat {identity['repeat']}"
    return {"name": name, "tags": [tag[:MOST_LETTERS] for tag in dict.fromkeys(tags)]}


def to_summary(record: Record) -> dict[str, Any]:
    """W&B's summary of a run; what the record has not, the summary has not."""
    columns = {name: value for name, value in vars(record).items() if name not in IDENTITY and value is not None}
    if not record.rounds:
        del columns["rounds"]
    return {name: _to_wandb(name, value) for name, value in columns.items()}


def rows_of(runs: Iterable[Any]) -> list[dict[str, Any]]:
    """The rows of those of W&B's runs, as its API gives them, that are records of ours.

    Of several runs of one id the latest that has an outcome counts. A run without an outcome, because it goes on or was
    killed, is unfinished. What is wrong with a run is said on stderr.
    """
    latest: dict[str, Any] = {}
    for run in runs:
        if run.job_type == JOB_TYPE:
            latest[run.id] = max(latest.get(run.id, run), run, key=lambda run: (_has_outcome(run), run.created_at))
    identities: dict[str, dict[str, Any]] = {}
    for name, run in latest.items():
        try:
            identities[name] = _identity(run.config)
        except ValueError as error:
            _say(f"run {name} is left out: its config does not say what it is: {error}")
    deviating = deviations(list(identities.values()))
    rows = []
    for number, (name, identity) in enumerate(identities.items()):
        try:
            if number in deviating:
                flaw, usual = deviating[number]
                identity |= {column: usual[column] for column in SHARED}
                raise ValueError(f"record.{flaw}")
            if not _has_outcome(latest[name]):
                rows.append(unfinished_row(identity))
                continue
            check_schema(identity["schema"])
            outcome = latest[name].summary_metrics.items()
            columns = {column: _from_wandb(column, value) for column, value in outcome if column in KINDS}
            rows.append(vars(Record(**{**columns, **identity})))
        except ValueError as error:
            _say(f"run {name} is not a valid record: {error}")
            rows.append(unfinished_row(identity, str(error)))
    return rows


def _say(sentence: str) -> None:
    print(f"oraclecheck: W&B: {sentence}", file=sys.stderr)


def _has_outcome(run: Any) -> bool:
    return "status" in run.summary_metrics


def _identity(config: Mapping[str, Any]) -> dict[str, Any]:
    if absent := [name for name in IDENTITY if name not in config]:
        raise ValueError(f"it lacks {absent[0]}")
    identity = {name: _from_wandb(name, config[name]) for name in IDENTITY}
    check_identity(identity)
    return identity


def _to_wandb(name: str, value: Any) -> Any:
    if name in NESTED:
        return to_text(name, value)
    return str(value) if isinstance(value, int) and abs(value) > EXACT else encoded(value)


def _from_wandb(name: str, value: Any) -> Any:
    kinds = KINDS[name]
    if isinstance(value, str) and str not in kinds:
        try:
            return from_text(name, value)
        except (ValueError, RecursionError):
            return value  # which has none of the column's types
    return int(value) if isinstance(value, float) and float not in kinds and value.is_integer() else value
