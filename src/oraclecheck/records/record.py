"""The record: what one run leaves. One JSON file, one row of every table.

Losses are means in nats, lower is better; accuracies are fractions in [0, 1], higher is better; indices and epochs are
0-based; durations are seconds. A number that is NaN or infinite is written as the string "nan", "inf" or "-inf",
because JSON has no other way to say so.
"""

import typing
from dataclasses import dataclass, field, fields
from itertools import chain
from typing import Any

from oraclecheck.files import encoded
from oraclecheck.records.validation import OUTCOMES, flaw_of, gap_of, mistyped
from oraclecheck.study.identity import SCHEMA, RunIdentity


class NewerSchemaError(ValueError):
    """A record was written by a later version: it is not ours to judge, nor to overwrite."""


@dataclass(frozen=True)
class Record(RunIdentity):
    """One run: a combination, retrained once. What it is, `RunIdentity` says; what came of it, these columns.

    Attributes:
        status: "ok"; "failed" (an exception, tried again by a relaunch); "diverged" (a NaN or infinite loss, kept).
        error: Traceback of a failed run.
        dense_train_loss: Of the dense network; the same for every run of a study.
        dense_train_accuracy: See above.
        dense_test_loss: See above.
        dense_test_accuracy: See above.
        pruned_train_loss: Of the pruned network before retraining: the oracle's score.
        pruned_train_accuracy: See above.
        pruned_test_loss: See above.
        pruned_test_accuracy: See above.
        final_train_loss: After the last epoch.
        final_train_accuracy: After the last epoch.
        final_test_loss: After the last epoch.
        final_test_accuracy: After the last epoch.
        best_train_loss: At the epoch with the best test accuracy; null unless that was the last epoch.
        best_train_accuracy: See above.
        best_test_loss: At the epoch with the best test accuracy, the first of several: what the authors call final.
        best_test_accuracy: See above.
        best_epoch: That epoch, 0-based.
        last5_test_accuracy_mean: Mean over the last five epochs (fewer if there are fewer).
        last5_test_accuracy_std: Standard deviation (n - 1) over them; null for a single epoch.
        last5_test_loss_mean: See above.
        last5_test_loss_std: See above.
        history: One entry an epoch: epoch, lr, train_loss (mean of the batch losses), test_loss, test_accuracy.
        final_test_correct: Which test images the final network gets right: numpy.packbits, base64.
        dense_params: Parameters of the dense network.
        dense_macs: Multiply-accumulates of its convolutions and linear layers for one image.
        pruned_params: Parameters of the pruned network.
        pruned_macs: See `dense_macs`.
        duration_prune: Pruning and the evaluations before retraining.
        duration_retrain: The epochs, with the test set after each.
        duration_total: The whole run.
        versions: Package -> version.
        device: What computed it.
        threads: torch's threads.
        started_at: UTC, ISO 8601.
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

    def __post_init__(self) -> None:
        """Refuse what no run could have left.

        Raises:
            ValueError: If a column has a wrong type or a value that no run has, or the outcome contradicts the metrics.
        """
        row = self.__dict__
        if flaw := mistyped(row, KINDS):
            raise ValueError(f"record.{flaw}")
        if self.status not in OUTCOMES:
            raise ValueError(f"record.status must be one of {', '.join(OUTCOMES)}; got {self.status!r}")
        if flaw := flaw_of(row) or gap_of(row, MEASURED):
            raise ValueError(f"record.{flaw}")


MEASURED = (
    *(f"{network}_{images}_loss" for network in ("dense", "pruned", "final") for images in ("train", "test")),
    *(f"{network}_{images}_accuracy" for network in ("dense", "pruned", "final") for images in ("train", "test")),
    "best_test_loss",
    "best_test_accuracy",
    "best_epoch",
)
"""What every run with status "ok" has measured."""


def to_json(record: Record) -> dict[str, Any]:
    """A record as a JSON-serialisable mapping."""
    return {column.name: encoded(getattr(record, column.name)) for column in fields(record)}


def from_json(content: Any) -> Record:
    """The record that `to_json` made a mapping of; columns that a later schema added are an error, not dropped.

    Raises:
        ValueError: If it is not a valid record, with the reason.
    """
    if not isinstance(content, dict):
        raise ValueError("a record must be a JSON object")
    check_schema(content.get("schema"))
    unknown = [name for name in content if name not in KINDS]
    if unknown:
        raise ValueError(f"record must have only known columns; got {unknown[0]!r}")
    try:
        return Record(**{name: decode(value, KINDS[name]) for name, value in content.items()})
    except TypeError as error:
        raise ValueError(f"a record must have all columns: {error}") from None


def check_schema(schema: Any) -> None:
    """Refuse a record that a later version wrote.

    Raises:
        NewerSchemaError: If it did.
    """
    if isinstance(schema, int) and schema > SCHEMA:
        raise NewerSchemaError(f"record.schema must be at most {SCHEMA}; got {schema}: upgrade oraclecheck to read it")


def _kinds() -> dict[str, tuple[type, ...]]:
    kinds = {}
    for name, hint in typing.get_type_hints(Record).items():
        options = typing.get_args(hint) or (hint,)
        kinds[name] = tuple(options) + ((int,) if float in options else ())
    return kinds


KINDS = _kinds()
"""Column -> the types its values may have."""


def decode(value: Any, kind: tuple[type, ...]) -> Any:
    """The column's value that `encoded` made JSON of.

    Args:
        value: As parsed from JSON.
        kind: The column's types, of `KINDS`.
    """
    if type(value) is str:
        return float(value) if float in kind and value in _NOT_FINITE else value
    # nearly all entries of a history have numbers alone, and thousands of runs have hundreds of thousands of them
    entries = type(value) is list and set(map(type, value)) == {dict}
    if entries and str in set(map(type, chain.from_iterable(map(dict.values, value)))):
        return [{key: decode(item, (float,)) for key, item in entry.items()} for entry in value]
    return value


_NOT_FINITE = ("nan", "inf", "-inf")
