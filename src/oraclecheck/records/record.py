"""The record: what one run leaves. One JSON file, one row of every table.

Losses are means in nats, lower is better; accuracies are fractions in [0, 1], higher is better; indices and epochs are
0-based; durations are seconds. A number that is NaN or infinite is written as the string "nan", "inf" or "-inf",
because JSON has no other way to say so.
"""

import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from oraclecheck.files import encoded
from oraclecheck.records.validation import flaw_of, gap_of
from oraclecheck.spelling import spell_value
from oraclecheck.study.identity import SCHEMA, RunIdentity


class NewerSchemaError(ValueError):
    """A record was written by a later version: it is not ours to judge, nor to overwrite."""


@dataclass(frozen=True)
class Record(RunIdentity):
    """One run: a combination, retrained once. What it is, `RunIdentity` says; what came of it, these columns.

    The networks whose losses and accuracies are measured are `dense` (the same for every run of a study), `pruned`
    (before retraining; its train loss is the oracle's score), `final` (after the last epoch) and `best` (at the epoch
    with the best test accuracy, the first of several: what the authors call final; its train metrics are null unless
    that was the last epoch). `last5_...` are mean and standard deviation (n - 1; null for a single epoch) over the last
    five epochs, fewer if there are fewer.

    Attributes:
        status: "ok"; "failed" (an exception, tried again by a relaunch); "diverged" (a NaN or infinite loss, kept).
        error: Traceback of a failed run.
        best_epoch: The epoch of `best_...`, 0-based.
        history: One entry an epoch: epoch, lr, train_loss (mean of the batch losses), test_loss, test_accuracy.
        final_test_correct: Which test images the final network gets right: numpy.packbits, base64.
        dense_params: Parameters of the dense network; `pruned_params` of the pruned one, removed weights not counted.
        dense_macs: Multiply-accumulates of its convolutions and linear layers for one image; `pruned_macs` likewise.
            Where single weights are removed they are the dense network's: zeros are multiplied like any number.
        duration_prune: Pruning and the evaluations before retraining.
        duration_retrain: The epochs, with the test set after each.
        duration_total: The whole run.
        versions: Package, or tool such as the compiler -> version.
        device: What computed it.
        threads: torch's threads.
        started_at: UTC, ISO 8601.
        rounds: Of iterative pruning, an entry for each round; else none, and the file has no such column. The networks
            whose losses and accuracies are measured are `pruned`, right after its pruning, and `retrained`; beside them
            `epochs` and the pruned network's `params` and `macs`. The columns above are then those of the last round;
            the history is that of all rounds.
    """

    status: str
    error: str | None = None
    dense_train_loss: float | None = None
    dense_train_accuracy: float | None = None
    dense_test_loss: float | None = None
    dense_test_accuracy: float | None = None
    pruned_train_loss: float | None = None
    pruned_train_accuracy: float | None = None
    pruned_test_loss: float | None = None
    pruned_test_accuracy: float | None = None
    final_train_loss: float | None = None
    final_train_accuracy: float | None = None
    final_test_loss: float | None = None
    final_test_accuracy: float | None = None
    best_train_loss: float | None = None
    best_train_accuracy: float | None = None
    best_test_loss: float | None = None
    best_test_accuracy: float | None = None
    best_epoch: int | None = None
    last5_test_accuracy_mean: float | None = None
    last5_test_accuracy_std: float | None = None
    last5_test_loss_mean: float | None = None
    last5_test_loss_std: float | None = None
    history: list = field(default_factory=list)
    final_test_correct: str | None = None
    dense_params: int | None = None
    dense_macs: int | None = None
    pruned_params: int | None = None
    pruned_macs: int | None = None
    duration_prune: float | None = None
    duration_retrain: float | None = None
    duration_total: float | None = None
    versions: dict = field(default_factory=dict)
    device: str | None = None
    threads: int | None = None
    started_at: str | None = None
    rounds: list = field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse, with a ValueError, columns of a wrong type or value, and an outcome that contradicts the metrics."""
        row = vars(self)
        if flaw := _mistyped(row) or flaw_of(row) or gap_of(row):
            raise ValueError(f"record.{flaw}")


def to_json(record: Record) -> dict[str, Any]:
    """A record as a JSON-serialisable mapping."""
    content = encoded(vars(record))
    if not record.rounds:
        del content["rounds"]
    return content


def from_json(content: Any) -> Record:
    """The record that `to_json` made a mapping of; columns that a later schema added are an error, not dropped.

    Raises:
        ValueError: If it is not a valid record, with the reason.
    """
    if not isinstance(content, dict):
        raise ValueError("a record must be a JSON object")
    check_schema(content.get("schema"))
    if unknown := [name for name in content if name not in KINDS]:
        raise ValueError(f"record must have only known columns; got {unknown[0]!r}")
    try:
        return Record(**{name: decode(value, KINDS[name]) for name, value in content.items()})
    except TypeError as error:
        raise ValueError(f"a record must have all columns: {error}") from None


def check_schema(schema: Any) -> None:
    """Refuse, with a NewerSchemaError, what a later version wrote."""
    if isinstance(schema, int) and schema > SCHEMA:
        raise NewerSchemaError(f"record.schema must be at most {SCHEMA}; got {schema}: upgrade oraclecheck to read it")


def _mistyped(row: Mapping[str, Any]) -> str | None:
    """The first column whose value has none of its types."""
    for name, kinds in KINDS.items():
        value = row[name]
        # an instance of a subclass is fine, such as NumPy's floats, but for True and False, which are integers
        if type(value) not in kinds and (not isinstance(value, kinds) or isinstance(value, bool)):
            words = sorted({"null" if kind is type(None) else kind.__name__ for kind in kinds})
            return f"{name} must be {' or '.join(words)}; got {spell_value(value)}"
    return None


def _kinds(hint: Any) -> tuple[type, ...]:
    kinds = typing.get_args(hint) or (hint,)
    return (*kinds, int) if float in kinds else kinds


KINDS = {name: _kinds(hint) for name, hint in typing.get_type_hints(Record).items()}
"""Column -> the types its values may have."""


def decode(value: Any, kinds: tuple[type, ...]) -> Any:
    """The value of a column of these kinds that `encoded` made JSON of."""
    if type(value) is str:
        return float(value) if float in kinds and value in ("nan", "inf", "-inf") else value
    # nearly all entries of a history have numbers alone, and thousands of runs have hundreds of thousands of them
    entries = type(value) is list and set(map(type, value)) == {dict}
    if entries and str in set(map(type, chain.from_iterable(map(dict.values, value)))):
        return [{key: decode(item, (float,)) for key, item in entry.items()} for entry in value]
    return value
