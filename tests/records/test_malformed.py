"""Malformed records, studies, tables and W&B runs: whoever reads them says so in a sentence, and never falls over."""

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings

from oraclecheck.analysis.tables import combinations_table, correlate
from oraclecheck.records.columns import NAMES, to_text
from oraclecheck.records.frame import table_of_rows
from oraclecheck.records.record import to_json
from oraclecheck.records.runs_file import save_runs
from oraclecheck.records.table import load_runs
from oraclecheck.records.wandb.columns import rows_of, to_config, to_summary
from oraclecheck.report.command import COMPLETE, INCOMPLETE, USER_ERROR, main
from records.test_folder import STUDY
from records.test_record import a_record
from records.test_validation import listed

QUICK, MANY = 25, 600

numbers = st.integers(-(10**400), 10**400) | st.integers(-3, 300) | st.floats() | st.just(2**63) | st.booleans()
words = st.text(max_size=5) | st.sampled_from(["nan", "inf", "-inf", "ok", "l1", "\ud800", "\0", "9" * 100, "[" * 2000])
junk = st.recursive(
    st.none() | numbers | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a JSON value can be changed: itself, and every part of it."""
    yield path
    parts = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, part in parts:
        yield from places(part, (*path, key))


def with_junk(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The value with another in one place."""
    if not path:
        return value
    copy = json.loads(json.dumps(content))
    part = copy
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return copy


PROVENANCE = {"versions": {"torch": "2"}, "device": "cpu", "threads": 1}
RECORD = to_json(a_record(**{**STUDY.run(0, {"conv1": [0, 1]}, 0), **PROVENANCE, "final_test_correct": "AA=="}))
CONTENT = {"identity": STUDY.columns, "definition": {**STUDY.definition, "network": {"_target_": "x"}}}
CONTENT |= {"overrides": ["model=m"], "config": {"data": {"name": "d"}, "model": {"name": "m"}}}

changes = st.tuples(st.sampled_from([*places(RECORD)]), junk)
study_changes = st.tuples(st.sampled_from([*places(CONTENT)]), junk)


def examples(count: int) -> settings:
    return settings(max_examples=count, suppress_health_check=[*HealthCheck], deadline=None)


def write(path: Path, content: Any) -> None:
    """As any program would that does not ask what it writes."""
    path.write_text(json.dumps(content))


def study_with(parent: Path, change: tuple[Any, Any], study_change: tuple[Any, Any] | None = None) -> Path:
    """A study of three records, the first of them changed, or the study's file."""
    folder = parent / STUDY.name
    folder.mkdir()
    write(folder / "study.json", CONTENT if study_change is None else with_junk(CONTENT, *study_change))
    for combo in (0, 1, 2, 4):
        place = folder / str(combo) / "0"
        place.mkdir(parents=True)
        if combo < 3:
            own = {"combo": combo, "removed": {"conv1": [0, combo + 1]}, "pruned_train_loss": combo / 2}
            record = {**RECORD, **own}
            write(place / "record.json", with_junk(record, *change) if combo == 0 else record)
    return folder


def read(*sources: Path) -> None:
    """Load runs and compute with them; what is wrong is a ValueError."""
    try:
        runs = load_runs(*sources)
        combinations_table(runs)
        correlate(runs, draws=2)
    except ValueError as error:
        assert str(error)


def check_record(change: tuple[Any, Any]) -> None:
    with TemporaryDirectory() as parent:
        folder = study_with(Path(parent), change)
        runs = load_runs(folder)
        # a record that is refused is marked: nothing is lost
        assert sorted(runs["combo"].dropna()) == [0, 1, 2, 4] and set(runs["status"][1:3]) == {"ok"}
        read(folder)


def check_study(change: tuple[Any, Any]) -> None:
    with TemporaryDirectory() as parent:
        read(study_with(Path(parent), (("combo",), 0), change))


def cells(change: tuple[Any, Any]) -> dict[str, str]:
    """A row of a CSV file, changed as text; a cell that no text can be is left out."""
    row = {name: to_text(name, value) or "" for name, value in vars(a_record(combo=2)).items()}
    (name, *_), value = change[0] or ("combo",), change[1]
    text = value if isinstance(value, str) else json.dumps(value) if not isinstance(value, int) else hex(value)
    return {**row, str(name): text.encode(errors="replace").decode()}


def check_table(change: tuple[Any, Any]) -> None:
    with TemporaryDirectory() as parent:
        path = Path(parent) / "runs.csv"
        save_runs(table_of_rows([vars(a_record(combo=combo)) for combo in (0, 1)]), path)
        with path.open(newline="") as file:
            rows = [*csv.DictReader(file), cells(change)]
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, NAMES)
            writer.writeheader()
            writer.writerows(rows)
        read(path)


def check_parquet(change: tuple[Any, Any]) -> None:
    """A table with one column of whatever Parquet can hold."""
    row = {name: to_text(name, value) for name, value in vars(a_record()).items()}
    name, value = (change[0] or ("combo",))[0], change[1]
    with TemporaryDirectory() as parent:
        path = Path(parent) / "runs.parquet"
        try:
            pyarrow.parquet.write_table(pa.Table.from_pylist([{**row, name: value}]), path)
        except (pa.ArrowException, OverflowError, UnicodeError, TypeError):
            return  # which Parquet cannot hold
        read(path)


def check_wandb(change: tuple[Any, Any]) -> None:
    good = [a_record(combo=combo) for combo in (0, 1)]
    runs = [listed(f"run{i}", i, to_config(vars(one)), to_summary(one)) for i, one in enumerate(good)]
    config, summary = to_config(vars(a_record())), to_summary(a_record())
    name, value = (change[0] or ("combo",))[0], change[1]
    (config if name in config else summary)[name] = value
    rows = rows_of([*runs, listed("bad", 9, config, summary)])
    assert [row["status"] for row in rows[:2]] == ["ok", "ok"]
    table_of_rows(rows)


@examples(QUICK)
@given(changes)
def test_malformed_record_is_marked_and_nothing_else_is_lost(change):
    check_record(change)


@examples(QUICK)
@given(study_changes)
def test_malformed_study_is_a_sentence(change):
    check_study(change)


@examples(QUICK)
@given(changes)
def test_malformed_table_is_a_sentence(change):
    check_table(change)


@examples(QUICK)
@given(changes)
def test_malformed_parquet_is_a_sentence(change):
    check_parquet(change)


@examples(QUICK)
@given(changes)
def test_malformed_run_of_wandb_is_a_sentence(change):
    check_wandb(change)


@pytest.mark.slow  # minutes: pytest tests/records/test_malformed.py -m slow
@examples(MANY)
@given(changes, study_changes)
def test_many_malformed_sources_are_sentences(change, study_change):
    check_record(change)
    check_study(study_change)
    check_table(change)
    check_parquet(change)
    check_wandb(change)


@pytest.mark.slow
@examples(MANY // 3)
@given(changes, st.none() | study_changes)
def test_report_on_malformed_records_is_there_or_a_sentence(change, study_change):
    with TemporaryDirectory() as parent, pytest.MonkeyPatch.context() as patch:
        patch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **options: None)
        folder = study_with(Path(parent), change, study_change)
        code = main([str(folder)])
        assert code in (COMPLETE, INCOMPLETE, USER_ERROR)
        assert (folder / "report" / "index.html").is_file() == (code != USER_ERROR)


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"\xff\xfe", b"{", b"[" * 10**5, b'{"schema": 1e999}', b"null", b"5", b"[1]"]
)
@pytest.mark.parametrize("name", ["study.json", "0/0/record.json", "removed.json"])
def test_bytes_that_are_no_json_are_a_sentence(tmp_path, name, content):
    folder = study_with(tmp_path, (("combo",), 0))
    (folder / "l1" / "0").mkdir(parents=True)
    path = folder / ("l1" if name == "removed.json" else "") / name
    path.write_bytes(content)
    read(folder)
    shutil.rmtree(folder)
