"""Runs in a CSV or Parquet file: what was saved comes back identically, and points of a figure are read as runs."""

import math
from pathlib import Path

import hypothesis.strategies as st
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from pandas.testing import assert_frame_equal

from oraclecheck.records.frame import table_of_rows
from oraclecheck.records.runs_file import save_runs
from oraclecheck.records.table import load_runs
from records.test_record import a_record

SUFFIXES = (".csv", ".parquet")
LAYERS = ("conv1", 'é "quoted", 1\r\n')
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)
losses = st.floats(0) | st.just(math.nan)
numbers = st.none() | losses
entries = st.fixed_dictionaries(
    {"lr": st.floats(0, 1), "train_loss": losses, "test_loss": losses, "test_accuracy": st.floats(0, 1)}
)


def diverged(removed, history, best_epoch, **changes):
    """A record whose columns fit together, as those of a run do; all records are of one study."""
    history = [{"epoch": epoch, **entry} for epoch, entry in enumerate(history)]
    best_epoch = best_epoch if history and best_epoch is not None and best_epoch < len(history) else None
    shared = {"layers": list(LAYERS), "pruning_ratio": dict.fromkeys(LAYERS, 0.5), "space_size": 10**41}
    removed = dict(zip(LAYERS, removed, strict=True))
    return a_record(
        **{**changes, **shared, "removed": removed, "history": history, "best_epoch": best_epoch, "status": "diverged"}
    )


records = st.builds(
    diverged,
    combo=st.integers(0, 10**40),
    repeat=st.integers(0, 5),
    seed=st.integers(0, 2**63 - 1),
    removed=st.tuples(
        *[st.lists(st.integers(0, 511), min_size=n, max_size=n, unique=True).map(sorted) for n in (3, 4)]
    ),
    error=st.none() | texts,
    final_test_loss=numbers,
    best_test_accuracy=st.none() | st.floats(0, 1),
    best_epoch=st.none() | st.integers(0, 300),
    history=st.lists(entries, max_size=3),
)


def the_table(*given) -> pd.DataFrame:
    return table_of_rows([vars(record) for record in given])


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(st.lists(records, min_size=1, max_size=3, unique_by=lambda record: (record.combo, record.repeat)))
def test_saved_runs_come_back_identically(tmp_path, suffix, given):
    table = the_table(*given)
    save_runs(table, tmp_path / f"runs{suffix}")
    assert_frame_equal(load_runs(tmp_path / f"runs{suffix}"), table)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_saved_values_are_the_records_own(tmp_path, suffix):
    """Types too, which a comparison of frames does not look at."""
    entry = {"epoch": 0, "lr": 0.1, "train_loss": 0.3, "test_loss": math.inf, "test_accuracy": 0.5}
    changes = {"status": "diverged", "history": [entry], "best_epoch": 0, "error": None}
    record = a_record(space_size=10**80, combo=2**64 + 1, pretrain_seed=None, **changes)
    path = tmp_path / f"runs{suffix}"
    save_runs(the_table(record), path)
    row = load_runs(path).iloc[0]
    assert type(row["space_size"]) is int and row["space_size"] == 10**80 and row["combo"] == 2**64 + 1
    assert row["error"] is None and row["picked_by"] is None and row["pretrain_seed"] is pd.NA
    assert row["history"] == [entry] and row["removed"] == {"conv1": [0, 4]}
    assert math.isnan(row["best_train_loss"]) and row["pruned_train_loss"] == 0.5


def test_dtypes_do_not_depend_on_the_values():
    full, empty = the_table(a_record(error="x", device="cpu", threads=1)), the_table(a_record(pretrain_seed=None))
    assert full.dtypes.to_dict() == empty.dtypes.to_dict()


def test_points_of_a_figure_are_runs(tmp_path, capsys):
    path = tmp_path / "vgg19.csv"
    path.write_text("pruned_train_loss,final_test_accuracy,epoch\n4.5,0.875,1\ninf,0.5,1\n")
    runs = load_runs(path)
    assert runs[["study", "combo", "repeat", "status", "pruned_train_loss", "final_test_accuracy"]].values.tolist() == [
        ["vgg19", 0, 0, "ok", 4.5, 0.875],
        ["vgg19", 1, 0, "diverged", math.inf, 0.5],
    ]
    assert runs["space_size"].tolist() == [None, None] and runs["history"].tolist() == [[], []]
    assert runs.dtypes.to_dict() == the_table(a_record()).dtypes.to_dict()
    assert "left out unknown columns epoch" in capsys.readouterr().err


def test_columns_present_in_a_file_of_points_are_taken(tmp_path):
    path = tmp_path / "points.csv"
    path.write_text("study,repeat,combo,pruned_train_loss,best_test_loss\na,1,7,1,2\nb,0,7,1,2\n")
    runs = load_runs(path)
    assert (
        runs["study"].tolist() == ["a", "b"] and runs["repeat"].tolist() == [1, 0] and runs["combo"].tolist() == [7, 7]
    )
    assert runs["study_hash"].nunique() == 2


def test_papers_scatter_data_are_runs(data_root: Path):
    files = sorted((data_root / "paper_scatter").glob("*.csv"))
    runs = load_runs(files)
    assert runs["study"].nunique() == len(files) and len(runs) == sum(len(pd.read_csv(file)) for file in files)
    study = runs[runs["study"] == "vgg19-cifar100-convs_0.5"]
    plain = pd.read_csv(data_root / "paper_scatter" / "vgg19-cifar100-convs_0.5.csv")
    assert study[list(plain)].values.tolist() == plain.values.tolist()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("final_test_accuracy\n0.5\n", "must have the column pruned_train_loss and at least one of final_"),
        ("pruned_train_loss\n0.5\n", "at least one of .*best_test_loss; got pruned_train_loss"),
        ("", "must have the column pruned_train_loss"),
        ("pruned_train_loss,final_test_loss\n", "at least one row"),
        ("pruned_train_loss,final_test_accuracy\n1,93.4\n", r"0, 1\]; got 93.4 \(divide percents by 100\) in row 1$"),
        ("pruned_train_loss,final_test_accuracy\n1,-0.1\n", r"fraction in \[0, 1\]; got -0.1 in row 1$"),
        ("pruned_train_loss,final_test_loss\n1,2\n1,x\n", "final_test_loss must be float; got 'x' in row 2"),
        ("pruned_train_loss,final_test_loss\n1,2\n,2\n", "pruned_train_loss must be a number .* row 2 has none"),
        ("pruned_train_loss,final_test_loss\n1,2,3\n", "row 1 has 3 cells, the header 2"),
        ("pruned_train_loss,final_test_loss,final_test_loss\n1,2,3\n", "final_test_loss appears twice"),
        ("pruned_train_loss,final_test_loss,combo\n1,2,1.5\n", "combo must be int; got '1.5' in row 1"),
        ("pruned_train_loss,final_test_loss,repeat\n1,2,\n", "repeat must be int; got '' in row 1"),
        ("pruned_train_loss,final_test_loss,seed\n1,2,9223372036854775808\n", "seed must fit into 64 bits"),
    ],
)  # fmt: skip
def test_file_that_holds_no_runs_is_refused_in_one_sentence(tmp_path, text, reason):
    path = tmp_path / "points.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=reason):
        load_runs(path)


@pytest.mark.parametrize("name", ["absent.csv", "absent.parquet", "broken.parquet", "broken.csv"])
def test_file_that_cannot_be_read_is_refused_in_one_sentence(tmp_path, name):
    if name.startswith("broken"):
        (tmp_path / name).write_bytes(b"PAR1\xff\xfe\x00 nonsense")
    with pytest.raises(ValueError, match="must exist" if name.startswith("absent") else "must be a"):
        load_runs(tmp_path / name)


def test_runs_are_saved_only_where_they_can_be_read(tmp_path):
    with pytest.raises(ValueError, match=r"must end in .csv or .parquet; got .*runs.xlsx"):
        save_runs(the_table(a_record()), tmp_path / "runs.xlsx")
    with pytest.raises(ValueError, match="got none called schema"):
        save_runs(pd.DataFrame({"combo": [1]}), tmp_path / "runs.csv")


def test_run_that_two_sources_hold_is_there_once(tmp_path):
    save_runs(the_table(a_record(combo=1), a_record(combo=2)), tmp_path / "a.csv")
    save_runs(the_table(a_record(combo=2), a_record(combo=3)), tmp_path / "b.parquet")
    runs = load_runs(tmp_path / "a.csv", tmp_path / "b.parquet")
    assert runs["combo"].tolist() == [1, 2, 3]
    assert_frame_equal(load_runs([tmp_path / "b.parquet", tmp_path / "a.csv"]), runs)


def test_sources_that_contradict_each_other_are_refused(tmp_path):
    save_runs(the_table(a_record(combo=2)), tmp_path / "a.csv")
    save_runs(the_table(a_record(combo=2, final_test_loss=0.75)), tmp_path / "b.csv")
    with pytest.raises(
        ValueError, match=r"combination 2, repeat 0 of s-00000000 differs in final_test_loss: 0.5 and 0.75"
    ):
        load_runs(tmp_path / "a.csv", tmp_path / "b.csv")
