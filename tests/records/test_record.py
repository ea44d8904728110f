import dataclasses
import json
import math

import pytest

from oraclecheck.records.record import SCHEMA, Record, from_json, to_json
from oraclecheck.records.validation import MEASURED

IDENTITY = {
    "schema": SCHEMA, "study": "s-00000000", "study_hash": "0" * 64, "setting_hash": "2" * 64, "model": "m",
    "data": "d", "layers": ["conv1"], "pruning_ratio": {"conv1": 0.2}, "wiring": "correct",
    "order": "lexicographic", "space_size": 45, "combo": 3, "removed": {"conv1": [0, 4]}, "picked_by": None,
    "repeat": 0, "seed": 1, "pipeline": "one_shot", "engine": "lightning", "retrain_fraction": 1.0,
    "dense_hash": "1" * 64, "pretrain_seed": 0,
}  # fmt: skip
EPOCHS = [{"epoch": i, "lr": 0.1, "train_loss": 0.3, "test_loss": 0.5, "test_accuracy": 0.5} for i in range(3)]
METRICS = dict.fromkeys(MEASURED, 0.5) | {"best_epoch": 2, "history": EPOCHS}


def a_record(**changes) -> Record:
    return Record(**{**IDENTITY, **METRICS, "status": "ok", **changes})


def test_record_survives_json():
    history = [{"epoch": 0, "lr": 0.1, "train_loss": 0.3, "test_loss": math.inf, "test_accuracy": 0.5}]
    changes = {"status": "diverged", "final_test_loss": math.inf, "best_epoch": 0, "history": history}
    record = a_record(**changes)
    assert from_json(json.loads(json.dumps(to_json(record), allow_nan=False))) == record


def test_nan_survives_json():
    record = from_json(json.loads(json.dumps(to_json(a_record(status="diverged", final_test_loss=math.nan)))))
    assert math.isnan(record.final_test_loss)


def test_record_has_the_designs_columns():
    columns = {field.name for field in dataclasses.fields(Record)}
    expected = {
        *IDENTITY, "status", "error", "best_epoch", "history", "final_test_correct", "versions", "device", "started_at",
        *(f"{net}_{size}" for net in ("dense", "pruned") for size in ("params", "macs")),
        *(f"{net}_{part}_{metric}" for net in ("dense", "pruned", "final", "best") for part in ("train", "test")
          for metric in ("loss", "accuracy")),
        *(f"last5_test_{metric}_{moment}" for metric in ("accuracy", "loss") for moment in ("mean", "std")),
    }  # fmt: skip
    assert expected <= columns


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": "done"}, "record.status must be one of"),
        ({"final_test_accuracy": None}, "record.final_test_accuracy must be a finite number where status is ok"),
        ({"final_test_loss": math.nan}, "record.final_test_loss must be a finite number"),
        ({"combo": None}, "record.combo must be given, or else picked_by; got neither"),
        ({"picked_by": "l1"}, "record.combo must be given, or else picked_by; got both"),
        ({"repeat": -1}, "record.repeat must be at least 0; got -1"),
        ({"repeat": True}, "record.repeat must be int"),
        ({"seed": "1"}, "record.seed must be int"),
        ({"removed": [1]}, "record.removed must be dict"),
        ({"status": "failed"}, "record.error must say why"),
    ],
)
def test_record_that_no_run_could_leave_is_refused(changes, reason):
    with pytest.raises(ValueError, match=reason):
        a_record(**changes)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([], "JSON object"),
        ({**to_json(a_record()), "schema": SCHEMA + 1}, "upgrade"),
        ({**to_json(a_record()), "new_column": 1}, "unknown|known columns"),
        ({name: value for name, value in to_json(a_record()).items() if name != "seed"}, "seed"),
    ],
)
def test_what_is_not_a_record_is_refused(content, reason):
    with pytest.raises(ValueError, match=reason):
        from_json(content)
