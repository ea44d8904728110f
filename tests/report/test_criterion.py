"""A report about another criterion than the oracle speaks of no other, and its numbers are those of its column."""

from pathlib import Path

import pandas as pd
import pytest
from hand_made import study_folder
from scipy.stats import kendalltau

from oraclecheck.analysis.criterion import Criterion
from oraclecheck.records.table import load_runs
from oraclecheck.report.command import FORMATS
from oraclecheck.report.files import write_overview, write_study
from oraclecheck.report.findings import Findings, find
from oraclecheck.report.page import write_page
from oraclecheck.report.page.bundle import packed
from oraclecheck.report.printing import print_findings
from oraclecheck.study.folder import read_studies

CRITERION = Criterion("test_loss", "pruned_test_loss", "pruned test loss", "least test loss")
STUDIES = ("a-11111111", "b-22222222")


@pytest.fixture
def findings(monkeypatch: pytest.MonkeyPatch) -> Findings:
    """Of two studies whose pruned test loss falls where their pruned train loss rises, but for one combination."""
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **options: None)
    for name, ratio in zip(STUDIES, (0.2, 0.3), strict=True):
        study_folder(Path("m"), name, pruning_ratio={"conv1": ratio})
    runs = load_runs("m")
    runs["pruned_test_loss"] = runs["combo"].map(lambda combo: {5: 6.5}.get(combo, 9.0 - combo)).astype(float)
    files = read_studies("m")
    return find(
        runs,
        final="last",
        metric="both",
        comparing=list(dict.fromkeys(runs["study"])),
        study_files=files,
        criterion=CRITERION,
    )


def written(findings: Findings, folder: Path) -> dict[str, str]:
    """The texts of all files of the report; the page without the library it draws with."""
    paths = list(write_overview(findings, folder))
    for study in STUDIES:
        paths += write_study(findings, study, folder / study)
    write_page(folder / "index.html", findings, "report")
    texts = [path for path in (*paths, folder / "index.html") if path.suffix not in (".png", ".pdf")]
    return {path.name: path.read_text(encoding="utf-8").replace(packed(), "") for path in texts}


def test_report_of_another_criterion_speaks_of_no_other(findings, tmp_path, capsys):
    texts = written(findings, tmp_path)
    for form in FORMATS:
        print_findings(findings, form)
        texts[form] = capsys.readouterr().out
    assert {"index.html", "combinations.md", "combinations.tex", "studies.csv", "grid_accuracy.md"} <= set(texts)
    for name, text in texts.items():
        for words in ("pruned train loss", "oracle's", "oracle’s", "pruned_train_loss"):
            assert words not in text.lower(), name
    for name in ("index.html", "combinations.md", "grid_accuracy.md", "honest_loss.tex"):
        assert "pruned test loss" in texts[name].lower(), name
    assert "least test loss" in texts["index.html"]


def test_numbers_of_another_criterion_are_those_of_its_column(findings, tmp_path):
    written(findings, tmp_path)
    runs = load_runs("m").query("study == @STUDIES[0]").groupby("combo")[["final_test_accuracy", "final_test_loss"]]
    means, score = runs.mean(), [9.0, 8.0, 7.0, 6.0, 5.0, 6.5]
    stored = pd.read_csv(tmp_path / STUDIES[0] / "combinations.csv")
    assert stored["score"].tolist() == score
    table = pd.read_csv(tmp_path / STUDIES[0] / "table.csv").set_index("metric")
    for metric in ("accuracy", "loss"):
        expected = kendalltau(score, means[f"final_test_{metric}"])
        assert table.loc[metric, "tau"] == pytest.approx(expected.statistic)
        assert table.loc[metric, "p"] == pytest.approx(expected.pvalue)
    assert (table["agreement"] < 0).all()
    # Combination 4 has the least pruned test loss; only 5 ends worse.
    assert table["anomaly_ratio"].tolist() == pytest.approx([4 / 6, 4 / 6])
