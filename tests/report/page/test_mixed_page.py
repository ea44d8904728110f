"""The page of fifteen studies: several layers, ratios, wirings and dense networks."""

import base64
import gzip
import re
from pathlib import Path

import pandas as pd
import pytest
from hand_made import correlated
from mixed_sweep import mixed_sweep
from page_studies import made, make_runs, make_table
from scipy.stats import t as student

from oraclecheck.analysis.networks import across_networks
from oraclecheck.analysis.tables import correlate
from oraclecheck.report.findings import Findings, find
from oraclecheck.report.page import write_page
from oraclecheck.report.page.bundle import packed, script
from oraclecheck.report.page.grids import grids
from oraclecheck.report.page.numbers import numbers, telling_apart


@pytest.fixture(scope="module")
def findings() -> Findings:
    return find(mixed_sweep(), final="last", metric="both", study_files={})


@pytest.fixture(scope="module")
def text(findings, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("page") / "index.html"
    write_page(path, findings)
    return path.read_text(encoding="utf-8")


def test_numbers_begin_with_what_differs_and_s(findings):
    table = numbers(findings)
    names = [column.name for column in table.columns]
    assert names[: table.leading] == ["layers", "pruning_ratio", "wiring", "pretrain_seed", "metric", "agreement"]
    assert "study" not in table.shown and len(set(names)) == len(names)
    assert len(table.rows) == 2 * 15 + 2 * 4


def test_numbers_of_means_stand_above_those_of_studies(findings):
    table = numbers(findings)
    assert [kind for kind, _ in table.rows] == ["mean"] * 8 + ["study"] * 30
    row = {column.name: cell for column, cell in zip(table.columns, table.rows[0][1], strict=True)}
    assert [row[name][0] for name in ("layers", "wiring", "pretrain_seed", "n", "ceiling")] == [
        *("conv1", "correct", "mean", "3 networks"),
        "",
    ]
    first = findings.table.query("metric == 'accuracy' and layers == 'conv1' and wiring == 'correct'")
    s = first[first["pruning_ratio"] == "0.2"]["agreement"]
    assert float(row["agreement"][2]) == pytest.approx(s.mean())
    reach = student.ppf(0.975, 2) * s.std() / 3**0.5
    assert row["agreement"][1].replace("−", "-") == f"[{s.mean() - reach:+.2f}, {s.mean() + reach:+.2f}]"


def test_what_is_lacking_has_one_column():
    gaps = {"missing": 3, "failed": 1, "unfinished": 0, "left_out": 2}
    table = correlated({}, {"layers": "conv2", "study": "other", **gaps})
    table = numbers(Findings(make_runs(), table, table, pd.DataFrame(), [], table, pd.DataFrame()))
    place = [column.name for column in table.columns].index("lacking")
    assert [cells[place][0] for _, cells in table.rows] == ["", "3 missing, 1 failed, 2 left out"]
    assert "lacking" in table.shown and not table.shown & set(gaps)


def test_studies_that_columns_do_not_tell_apart_are_told_by_their_names():
    assert telling_apart(correlated({})) == []
    assert telling_apart(correlated({}, {"study": "twin"})) == ["study"]
    assert "study" in telling_apart(make_table())


def test_a_grid_has_one_cell_of_the_mean_over_networks(findings):
    accuracy, loss = grids(findings)
    assert (accuracy["metric"], accuracy["title"], loss["metric"]) == ("accuracy", "wiring correct", "loss")
    assert accuracy["layers"] == ["conv1", "conv2", "conv3", "conv1/2/3"]
    assert [ratio for ratio, _ in accuracy["rows"]] == ["0.2", "0.3"]
    first, *_, last = accuracy["rows"][0][1]
    mean = across_networks(correlate(mixed_sweep(), metric="accuracy")).iloc[0]
    assert first["networks"] == 3 and first["agreement"] == pytest.approx(mean["agreement"])
    assert pd.isna(last["networks"]) and last["n"] == 60
    assert accuracy["rows"][1][1][2:] == [None, None]


def test_there_is_no_grid_of_a_single_cell():
    assert grids(made(make_runs(), make_table())) == []


def test_overview_has_a_line_for_each_study_and_mean_and_no_hash_in_it(text):
    overview = text[text.index('<div class="overview"') : text.index('<section id="scatter"')]
    lines = re.findall(r'<span class="what">(.*?)</span>', overview)
    assert len(lines) == 15 + 4
    assert lines[:2] == ["conv1, 0.2, wiring correct: 3 networks", "conv1, 0.2, wiring released_code: 3 networks"]
    assert lines[4] == "conv1, 0.2, wiring correct, dense seed 0"
    assert not re.search("[0-9a-f]{8}", " ".join(lines))
    assert "<details open" not in overview
    assert "15 studies (lenet5_mini, mnist, retraining 10 %)" in text


def test_both_epochs_have_their_statistics(findings):
    best = correlate(mixed_sweep(), final="best").set_index(["study", "metric"])
    again = findings.other_epoch.set_index(["study", "metric"])
    assert again["agreement"].to_dict() == pytest.approx(best["agreement"].to_dict())
    assert findings.claims_of(findings.studies[0])["final"].tolist() == ["last", "last", "best", "best"]


def test_points_without_a_best_epoch_have_no_statistics_of_it():
    runs = mixed_sweep().query("pretrain_seed == 2")
    runs = runs.assign(best_test_accuracy=float("nan"), best_test_loss=float("nan"))
    assert find(runs, final="last", metric="both", study_files={}).other_epoch.empty


def test_bundle_is_plotly_and_holds_nothing_that_html_reads():
    text = packed()
    assert not set(text) & set("<>&\"'") - {">"} and len(text) < 2e6
    squeezed = base64.b85decode(text.translate(str.maketrans(",.", "<&")))
    assert gzip.decompress(squeezed).decode() == script()


def test_page_of_a_study_takes_less_than_two_megabytes(tmp_path: Path):
    runs = mixed_sweep()
    runs = runs[runs["study"] == runs["study"].iloc[0]]
    write_page(tmp_path / "index.html", find(runs, final="last", metric="both", study_files={}))
    assert (tmp_path / "index.html").stat().st_size < 2e6
