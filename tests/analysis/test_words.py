"""The columns that tell studies apart come from what a run is, and the words for them."""

import ast
from pathlib import Path

import pandas as pd
import pytest

import oraclecheck.analysis
from oraclecheck.analysis.words import FOR_COMPUTERS, FOR_READERS, as_text, combination_name, varying
from oraclecheck.study.identity import OF_STUDY

ANALYSIS = Path(oraclecheck.analysis.__file__).parent


def test_every_column_of_a_study_is_for_a_reader_or_for_the_computer():
    assert sorted([*FOR_READERS, *FOR_COMPUTERS]) == sorted({*OF_STUDY, "space"} - {"schema"})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (["conv1", "conv2"], "conv1/conv2"),
        ({"conv1": 0.5, "conv2": 0.5}, "0.5"),
        ({"conv1": 0.5, "conv2": 0.2}, "conv1 0.5, conv2 0.2"),
        ("correct", "correct"),
    ],
)
def test_lists_and_ratios_are_one_string(value, text):
    assert as_text(value) == text


def test_order_tells_studies_apart_only_where_nothing_else_says_it():
    table = pd.DataFrame({"layers": ["conv1", "conv1/conv2"], "order": ["lexicographic", "sampled"]})
    assert varying(table) == ["layers"]
    assert varying(table.assign(layers="conv1")) == ["order"]
    both = pd.concat([table, table.assign(order="sampled")], ignore_index=True)
    assert varying(both) == ["layers", "order"]


def test_combination_is_called_by_its_number_or_by_the_criterion_that_picked_it():
    assert combination_name(pd.Series({"combo": 3.0, "picked_by": None})) == "3"
    assert combination_name(pd.Series({"combo": None, "picked_by": "l1"})) == "l1"


@pytest.mark.parametrize("path", sorted(ANALYSIS.rglob("*.py")), ids=lambda path: path.stem)
def test_statistics_know_arrays_and_analysis_no_report(path):
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    ours = [str(node.module) for node in nodes if str(node.module).startswith("oraclecheck.")]
    if path.parent.name == "statistics":
        assert all(module.startswith("oraclecheck.analysis.statistics.") for module in ours)
    rooms = {module.split(".")[1] for module in ours}
    assert rooms <= {"analysis", "records", "study", "files", "spelling"}
