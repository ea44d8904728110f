import json
from pathlib import Path

import pytest

from oraclecheck.files import write_json
from oraclecheck.records.record import to_json
from oraclecheck.records.store import is_done, read_record, record_path, write_record
from oraclecheck.records.table import load_runs
from oraclecheck.study.identity import OF_STUDY, SCHEMA
from records.test_record import IDENTITY, METRICS, a_record

HASH = IDENTITY["study_hash"]


def put(folder: Path, **changes) -> Path:
    record = a_record(**changes)
    path = record_path(folder, record.picked_by or record.combo, record.repeat)
    write_json(path, to_json(record))
    return path


def study_file(folder: Path) -> None:
    """The file of the study that `a_record` is of."""
    fixed = {
        name: IDENTITY[name]
        for name in ("model", "pruning_ratio", "wiring", "order", "pipeline", "engine", "retrain_fraction")
    }
    definition = {**fixed, "dense_hash": IDENTITY["dense_hash"], "layers": {"conv1": [10, 2]}, "seed": 0}
    identity = {name: IDENTITY[name] for name in OF_STUDY}
    write_json(folder / "study.json", {"identity": identity, "definition": {**definition, "order_seed": None}})


def test_path_is_decided_by_what_the_run_is():
    assert record_path(Path("s"), 17, 2) == Path("s/17/2/record.json")
    assert record_path(Path("s"), "l1", 0) == Path("s/l1/0/record.json")


def test_index_that_no_folder_can_be_called_is_refused():
    record_path(Path("s"), 10**99, 0)
    with pytest.raises(ValueError, match="combo must have at most 100 digits; got 101"):
        record_path(Path("s"), 10**100, 0)


@pytest.mark.parametrize(("status", "done"), [("ok", True), ("diverged", True), ("failed", False)])
def test_failed_runs_are_tried_again_and_diverged_ones_kept(tmp_path, status, done):
    path = put(tmp_path, status=status, error="Traceback" if status == "failed" else None)
    assert is_done(path, HASH) is done


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"{}", b'{"schema": null}', b'{"schema": 1}'])
def test_broken_record_is_not_done(tmp_path, content):
    path = put(tmp_path)
    path.write_bytes(content)
    assert not is_done(path, HASH)


def test_record_that_cannot_be_read_is_refused(tmp_path):
    path = record_path(tmp_path, 3, 0)
    path.mkdir(parents=True)
    with pytest.raises(ValueError, match=r"record\.json must be a file that can be read: Is a directory"):
        is_done(path, HASH)


def test_record_in_another_runs_place_is_not_done(tmp_path):
    path = record_path(tmp_path, 4, 0)
    path.parent.mkdir(parents=True)
    path.write_bytes(put(tmp_path).read_bytes())
    with pytest.raises(ValueError, match="must be the record of its folder; it is of combination 3"):
        read_record(path)
    assert not is_done(path, HASH)


def test_record_of_another_study_or_a_newer_schema_is_refused(tmp_path):
    path = put(tmp_path)
    with pytest.raises(ValueError, match="belongs to study 00000000, not 11111111"):
        is_done(path, "1" * 64)
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": SCHEMA + 1}))
    with pytest.raises(ValueError, match="upgrade"):
        is_done(path, HASH)


def test_record_of_a_run_that_was_done_meanwhile_stays(tmp_path):
    path = put(tmp_path, final_test_loss=1.0)
    write_record(path, a_record(final_test_loss=2.0))
    assert read_record(path).final_test_loss == 1.0
    path = put(tmp_path, status="failed", error="Traceback")
    write_record(path, a_record(final_test_loss=2.0))
    assert read_record(path).final_test_loss == 2.0


def test_table_has_a_row_per_record(tmp_path):
    folder = tmp_path / IDENTITY["study"]
    for combo, repeat in ((3, 1), (3, 0), (1, 0)):
        put(folder, combo=combo, repeat=repeat)
    put(folder, combo=None, picked_by="l1")
    put(folder, combo=7, status="diverged", final_test_loss=float("inf"), **{"final_test_accuracy": 0.1})
    study_file(folder)
    for source in (folder, tmp_path):
        runs = load_runs(source)
        assert [(row.combo, row.repeat) for row in runs.itertuples() if row.picked_by is None] == [
            (1, 0),
            (3, 0),
            (3, 1),
            (7, 0),
        ]
        assert runs.picked_by.tolist()[-1] == "l1" and runs.combo.tolist()[-1] is None
        assert runs.final_test_loss.dtype == "float64" and runs.final_test_loss.max() == float("inf")


@pytest.mark.parametrize("source", [".", "absent", "wandb-offline:multirun", "http://x/y"])
def test_what_is_no_source_is_a_clear_error(source):
    kinds = "a study's folder or a folder of studies with records, a .csv or .parquet file, or wandb:ENTITY/PROJECT"
    with pytest.raises(ValueError, match=f"the source must be {kinds}; got {Path(source)}$"):
        load_runs(source)


def test_table_holds_measured_columns(tmp_path):
    put(tmp_path / IDENTITY["study"])
    study_file(tmp_path / IDENTITY["study"])
    assert set(METRICS) <= set(load_runs(tmp_path).columns)
