"""`report --pipelines` over studies that were really run."""

import csv
import io
import json
from pathlib import Path

import pytest
from quick import QUICK

from oraclecheck.report.command import main
from oraclecheck.report.pipelines import PRINTED_SPEEDUPS


@pytest.fixture
def studies(command):
    """One-shot pruning at two ratios, the same from scratch at one of them, and rounds of it."""
    for words in (
        ("study=once", "combo=l1"),
        ("study=once", "combo=l1", "pruning.ratio={conv1: 0.2}"),
        ("study=scratch", "pipeline=scratch", "pipeline.dense_epochs=0"),
        ("study=rounds", "pipeline=iterative", "pipeline.rounds=2", "combo='0-3'"),
    ):
        assert command(*QUICK, "logger=none", "repeat='0,1'", *words)[0] == 0


def test_report_puts_pipelines_side_by_side(studies, capsys):
    assert main(["multirun", "--pipelines", "--out", "out"]) == 0
    told = capsys.readouterr().out
    for part in ("once", "scratch", "Difference from scratch", "Holm", "1.99x", "Agreement by round", "1/2", "2/2"):
        assert part in told
    with Path("out/pipelines.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["row"], row["pruning_ratio"]) for row in rows} == {
        ("once", "0.5"),
        ("once", "0.2"),
        ("scratch", "0.5"),
        ("rounds", "0.5"),
    }
    setups = {(row["row"], row["pruning_ratio"]): row["setup"] for row in rows}
    assert setups["once", "0.5"] == "S1" and setups["scratch", "0.5"] == setups["once", "0.2"] == ""
    assert all(Path(f"out/{name}").is_file() for name in ("pipelines.md", "pipelines_differences.tex", "rounds.csv"))
    assert main(["multirun", "--pipelines", "twice", "--out", "out"]) == 2
    assert "--pipelines must name a row" in capsys.readouterr().err
    assert main(["multirun", "--pipelines", "--out", "out", "--format", "json", "--export", "runs.csv"]) == 0
    table = json.loads(capsys.readouterr().out)["pipelines"]
    assert [(row["row"], float(row["mean"])) for row in table] == [(row["row"], float(row["mean"])) for row in rows]
    assert main(["runs.csv", "--pipelines", "--out", "out", "--format", "csv"]) == 0
    assert [row["row"] for row in csv.DictReader(io.StringIO(capsys.readouterr().out))] == [row["row"] for row in rows]
    for vain in (["--by", "layers"], ["--compare"], ["--criterion", "l1"], ["--metric", "loss"], ["--wandb", "here"]):
        assert main(["multirun", "--pipelines", "--out", "out", *vain]) == 2
        assert vain[0] in capsys.readouterr().err
    failed = next(Path("multirun").glob("*once*/*/*/record.json"))
    record = json.loads(failed.read_text())
    failed.write_text(json.dumps({**record, "status": "failed", "error": "a cosmic ray"}))
    assert main(["multirun", "--pipelines", "--out", "out"]) == 1
    assert f"{record['study']}: 1 run failed or unfinished" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("network", "name"),
    [("resnet34", "4_resnet34_imagenet100"), ("resnet56", "6_resnet56_cifar10"), ("vgg19", "7_vgg19_cifar100")],
)
def test_printed_speed_ups_are_the_papers(data_root, network, name):
    with (data_root / "paper_tables" / f"confusing_table_{name}.csv").open() as file:
        printed = {row["pruning_ratio"]: float(row["speedup"]) for row in csv.DictReader(file)}
    assert printed == PRINTED_SPEEDUPS[network]
