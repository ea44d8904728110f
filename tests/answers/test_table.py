"""Table A6: its averages, its counterexamples, and a study's own."""

import csv
import json

import pytest

from oraclecheck.answers.command import main
from oraclecheck.answers.published import PRINTED_AVERAGES, TABLE_A6
from oraclecheck.answers.table import BENCHMARKS, Row, counterexamples, mean_row, table


def test_the_papers_averages_are_sums_divided_by_four():
    assert {row.name: row.as_printed for row in TABLE_A6} == pytest.approx(PRINTED_AVERAGES, abs=0.051)
    means = {"dense": 61.72, "uniform": 61.40, "global": 61.04, "outlier": 61.36, "components": 61.04}
    assert {row.name: row.mean for row in TABLE_A6} == pytest.approx(means, abs=0.005)


def test_four_of_six_pairs_are_counterexamples_and_one_is_alike():
    assert counterexamples(TABLE_A6) == (4, 1, 6)
    printed = [Row(row.name, row.loss, dict.fromkeys(BENCHMARKS, PRINTED_AVERAGES[row.name])) for row in TABLE_A6]
    assert counterexamples(printed) == (5, 0, 6)


def test_the_numbers_are_those_of_the_printed_table(data_root):
    with open(data_root / "paper_tables" / "table_a6_mllm.csv") as file:
        printed = list(csv.DictReader(file))
    for row, line in zip(TABLE_A6, printed, strict=True):
        assert {name: float(line[name]) for name in BENCHMARKS} == row.scores
        assert (float(line["pruned_train_loss"]) if line["pruned_train_loss"] else None) == row.loss
        assert float(line["printed_average"]) == PRINTED_AVERAGES[row.name]


def test_what_is_missing_has_no_average():
    rows = [Row("uniform", 1.0, {"sqa": 50.0, "pope": 80.0}), Row("uniform", 1.2, {"sqa": 60.0})]
    mean = mean_row(rows)
    assert (mean.loss, mean.scores["sqa"], mean.scores["pope"], mean.mean) == (1.1, 55.0, None, None)
    assert table([mean])[1] == ["uniform", "1.10", "55.0", "–", "–", "–", "–", "–", "–"]
    assert counterexamples(rows) == (0, 0, 0)


def test_a_folder_without_answers_is_told(tmp_path, capsys):
    assert main([str(tmp_path), "--questions", str(tmp_path)]) == 2
    assert "STUDY must be a study's folder" in capsys.readouterr().err
    (tmp_path / "study.json").write_text(json.dumps({}))
    assert main([str(tmp_path), "--questions", str(tmp_path)]) == 2
