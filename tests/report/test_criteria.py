"""The report of criteria side by side: its files, what it prints, its section of the page."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hand_made import study_folder

from oraclecheck.analysis.chance import with_random
from oraclecheck.records.scored_runs import with_scores
from oraclecheck.records.scores import Scores, write_scores
from oraclecheck.records.table import load_runs
from oraclecheck.report.command import main
from oraclecheck.report.criteria import CriteriaFindings, find_criteria
from oraclecheck.report.printing import print_compared

STUDIES = [f"demo-1a2b3c{number:02d}" for number in range(3)]
CRITERIA = ["oracle", "same", "worst", "random"]


@pytest.fixture(scope="module")
def studies(tmp_path_factory) -> Path:
    """Three dense networks, 12 combinations, two stored criteria: the oracle's order, and nearly its reverse."""
    folder = tmp_path_factory.mktemp("criteria")
    for number, name in enumerate(STUDIES):
        study = study_folder(folder, name, n=12, dense_hash=f"{number}" * 64, setting_hash="5" * 64)
        reverse = {str(combo): float(-combo) for combo in range(12)} | {"0": -1.0 - number}
        for criterion, values in (("same", {str(combo): combo / 7 for combo in range(12)}), ("worst", reverse)):
            about = ({"name": criterion}, name[-8:], True, False, 0.25, {}, "cpu")
            write_scores(study, Scores(*about, values, None))
    return folder


@pytest.fixture(scope="module")
def criteria(studies) -> CriteriaFindings:
    """What is known of them, computed once."""
    runs, scores = with_scores(load_runs(studies), [str(studies)])
    return find_criteria(runs, scores, final="last", metric="both")


@pytest.fixture
def reported(studies, criteria, tmp_path, capsys, monkeypatch):
    """The command, with its output and where it wrote; figures are not drawn, and the criteria judged once."""
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **options: None)
    monkeypatch.setattr("oraclecheck.report.criteria.find_criteria", lambda *_, **asked: criteria)

    def run(*arguments: str):
        code = main([str(studies), "--criterion", "all", "--out", str(tmp_path / "report"), *arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err, tmp_path / "report"

    return run


def test_all_files_of_the_criteria_are_written(reported):
    code, out, _, home = reported()
    assert code == 0
    figures = [f"criteria_{metric}.{suffix}" for metric in ("accuracy", "loss") for suffix in ("pdf", "png")]
    tables = [f"{name}.{suffix}" for name in ("criteria", "criteria_pairs") for suffix in ("csv", "md", "tex")]
    assert sorted(path.name for path in home.iterdir()) == sorted([*figures, *tables, "index.html"])
    assert all(str(path) in out for path in home.iterdir())
    table = pd.read_csv(home / "criteria.csv")
    single, means = table[table["networks"].isna()], table[table["networks"].notna()]
    assert len(single) == 3 * 2 * len(CRITERIA) and len(means) == 2 * len(CRITERIA)
    assert set(means["networks"]) == {3}
    for _, rows in single.groupby("metric"):
        s = rows.groupby("criterion")["agreement"].mean()
        found = means[means["metric"] == rows["metric"].iloc[0]].set_index("criterion")
        assert found["agreement"].to_dict() == pytest.approx(s.to_dict())
        assert found["regret"].to_dict() == pytest.approx(rows.groupby("criterion")["regret"].mean().to_dict())
        assert found.loc["oracle", "rank"] == 1 and found.loc["worst", "rank"] == len(CRITERIA)
    assert set(single.loc[single["criterion"] == "same", "seconds"]) == {0.25}
    assert single.loc[single["criterion"].isin(["oracle", "random"]), "seconds"].isna().all()


def test_random_is_in_every_comparison_and_is_additive(studies):
    runs = load_runs(studies)
    with_it, criterion = with_random(runs)
    assert criterion is not None and criterion.name == "random"
    scores = with_it.groupby("combo")["score_random"].agg(["min", "max"])
    assert (scores["min"] == scores["max"]).all()
    # every combination removes one filter: the scores are a permutation of 1 to 12, over its mean
    assert sorted(scores["min"]) == pytest.approx([2 * (i + 1) / 13 for i in range(12)])
    again, _ = with_random(with_it.assign(score_random=0.0))
    assert (again["score_random"] == 0).all()
    assert with_random(runs.assign(removed=None))[1] is None
    assert not np.array_equal(with_random(runs, seed=1)[0]["score_random"], with_it["score_random"])


def test_every_format_is_one_document(criteria, capsys):
    def printed(form):
        print_compared(criteria, form)
        return capsys.readouterr().out

    told = json.loads(printed("json"))
    assert {name: len(rows) for name, rows in told.items()} == {"criteria": 32, "criteria_pairs": 48}
    assert len(pd.read_csv(io.StringIO(printed("csv")))) == 32
    assert printed("md").count("**Criteria, by agreement") == printed("md").count("**Every two criteria**") == 1
    assert printed("latex").startswith("% needs the LaTeX packages") and printed("latex").count(r"\caption{") == 2
    assert "Every two criteria" in printed("table")


def test_runs_are_exported_and_comparisons_refused(reported, tmp_path):
    code, _, _, _ = reported("--export", str(tmp_path / "runs.csv"))
    assert code == 0 and len(load_runs(tmp_path / "runs.csv")) == 72
    for given in (["--compare"], ["--by", "layers"]):
        code, out, err, _ = reported(*given)
        rule = f"oraclecheck: {given[0]} must be used with one criterion; --criterion all compares every two in pairs\n"
        assert (code, out) == (2, "") and err.endswith(rule)


def test_report_goes_to_wandb_with_its_tables(reported, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    sent = {}
    monkeypatch.setattr("oraclecheck.records.wandb.report.publish", lambda *_, **given: sent.update(given) or "there")
    code, _, err, home = reported("--wandb", "project")
    assert code == 0 and "kept for `wandb sync there`" in err
    assert {"studies", "criteria", "criteria_pairs"} <= set(sent["tables"])
    assert home / "criteria_accuracy.png" in sent["files"] and home / "index.html" in sent["files"]


def test_page_has_a_section_of_criteria(reported):
    _, _, _, home = reported()
    html = (home / "index.html").read_text()
    section = html[html.index('<section id="criteria"') : html.index('<section id="scatter"')]
    tables = re.findall(r'<table class="grid criteria" data-metric="(\w+)">.*?</table>', section, re.S)
    assert tables == ["accuracy", "loss"] and '<a href="#criteria">Criteria</a>' in html
    names = re.findall(r'<tr[^>]*><th scope="row">(\w+)</th><td class="axis">', section)
    assert sorted(names) == sorted(CRITERIA * 2) and names[0] in ("oracle", "same") and names[3] == "worst"
    assert section.count('class="network"') == 3 * len(CRITERIA) * 2
    assert "mean over 3 dense networks" in section and "s of worst minus s of oracle: −" in section
