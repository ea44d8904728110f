"""`python -m oraclecheck.score`: criteria against a study that is there."""

import itertools
import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from quick import QUICK
from scipy.stats import kendalltau

from oraclecheck.command.stored_study import StoredStudy
from oraclecheck.criteria.measuring import calibration
from oraclecheck.pipelines import scoring
from oraclecheck.records.scores import read_scores, scores_path
from oraclecheck.records.table import load_runs
from oraclecheck.score import main

EXAMPLE = Path(__file__).parent.parent / "examples" / "own_criterion"


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A folder with a study of eight combinations and the L1 norm's pick, two repeats each."""
    from oraclecheck.cli import main as sweep

    out = tmp_path_factory.mktemp("swept")
    assert sweep([*QUICK, "logger=none", f"paths.out={out}", 'combo="0-5,l1"', 'repeat="0,1"']) == 0
    return out


@pytest.fixture
def study(swept, tmp_path):
    """A copy of the study, moved elsewhere."""
    shutil.copytree(swept, tmp_path / "moved")
    (found,) = (tmp_path / "moved").glob("lenet*/")
    return found


def test_every_combination_with_a_record_is_scored(study, capsys):
    assert main([str(study), "criterion=l1,oracle,partial_accuracy", "criterion.partial_accuracy.share=1"]) == 0
    assert "l1: 7 combinations, 7 of them now" in capsys.readouterr().out
    runs = load_runs(study)
    weights = StoredStudy.of(study).network.conv1.weight.detach().double().abs().flatten(1).sum(1)
    scores = {name: read_scores(scores_path(study, name)) for name in ("l1", "oracle", "partial_accuracy")}
    for combination, rows in runs.groupby(runs["picked_by"].fillna(runs["combo"].astype("object")).astype(str)):
        removed = rows["removed"].iat[0]["conv1"]
        assert scores["l1"].values[combination] == pytest.approx(weights[removed].sum().item(), rel=1e-12)
        assert scores["oracle"].values[combination] == rows["pruned_train_loss"].iat[0]
        expected = 1 - rows["final_test_accuracy"].mean()
        assert scores["partial_accuracy"].values[combination] == pytest.approx(expected, rel=1e-12)
    assert scores["l1"].values["l1"] == min(scores["l1"].values.values())
    assert (scores["l1"].additive, scores["l1"].normalised, scores["oracle"].additive) == (True, False, False)
    assert scores["l1"].versions["torch"] == torch.__version__.partition("+")[0] and scores["l1"].seconds > 0
    table = pd.read_parquet(scores_path(study, "l1"))
    assert list(table.columns) == ["combination", "score"] and len(load_runs(study)) == 14


def test_pruned_train_loss_measured_anew_is_that_of_the_records(study):
    assert main([str(study), "criterion=oracle@240,oracle"]) == 0  # as many as there are
    measured, recorded = (read_scores(scores_path(study, name)).values for name in ("oracle@240", "oracle"))
    assert measured == recorded


def test_images_that_a_criterion_is_measured_on_are_kept(study):
    assert main([str(study), "criterion=oracle@100,l1,train_accuracy", "criterion.train_accuracy.images=240"]) == 0
    images = read_scores(scores_path(study, "oracle@100")).images
    assert len(images) == 100 == len(set(images)) and images == sorted(images)
    stored = StoredStudy.of(study)
    chosen = calibration(stored.data, 100)
    assert torch.equal(chosen.labels, stored.data.labels[torch.tensor(images)])
    assert read_scores(scores_path(study, "l1")).images is None
    assert read_scores(scores_path(study, "train_accuracy")).images is None  # all there are
    assert main([str(study), "criterion=oracle@100"]) == 0
    assert read_scores(scores_path(study, "oracle@100")).images == images


def test_scoring_goes_on_where_it_stopped(study, capsys):
    assert main([str(study), "criterion=oracle@100", 'combo="0-2"']) == 0
    first = read_scores(scores_path(study, "oracle@100"))
    assert main([str(study), "criterion=oracle@100"]) == 0
    assert "oracle@100: 7 combinations, 4 of them now" in capsys.readouterr().out
    second = read_scores(scores_path(study, "oracle@100"))
    assert dict(itertools.islice(second.values.items(), 3)) == first.values and second.seconds > first.seconds
    assert main([str(study), "criterion=oracle@100"]) == 0
    assert "0 of them now" in capsys.readouterr().out
    assert read_scores(scores_path(study, "oracle@100")) == second


def test_other_options_score_anew(study, capsys):
    assert main([str(study), "criterion=random"]) == 0
    first = read_scores(scores_path(study, "random"))
    assert main([str(study), "criterion=random", "criterion.random.seed=1"]) == 0
    assert "7 combinations, 7 of them now" in capsys.readouterr().out
    second = read_scores(scores_path(study, "random"))
    assert second.criterion["seed"] == 1 and second.values != first.values


def test_combinations_without_a_record_can_be_scored(study):
    assert main([str(study), "criterion=l2", "combo=all"]) == 0
    assert list(read_scores(scores_path(study, "l2")).values) == [str(index) for index in range(252)]


def test_own_criterion_of_filters_and_of_pruned_networks(study, monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLE)
    assert main([str(study), "criterion=l1", "criterion._target_=own_criterion.peak"]) == 0
    weights = StoredStudy.of(study).network.conv1.weight.detach().abs().flatten(1).amax(1).double()
    scores = read_scores(scores_path(study, "peak"))
    assert scores.additive and scores.values["0"] == pytest.approx(weights[:5].sum().item())
    assert re.fullmatch("[0-9a-f]{64}", scores.criterion["source"])
    assert main([str(study), "criterion._target_=own_criterion.confusion", "criterion.name=mine"]) == 0
    scores = read_scores(scores_path(study, "mine"))
    assert not scores.additive and len(set(scores.values.values())) == 7
    assert all(0 < value < 2.31 for value in scores.values.values())


BAD = {
    "nan": ("return {'conv1': torch.full((10,), torch.nan)}", "that is finite; got nan for filter 0"),
    "shape": ("return {'conv1': torch.rand(10, 2)}", "got shape [10, 2]"),
    "few": ("return {'conv1': [1, 2, 3]}", "got shape [3]"),
    "constant": ("return {'conv1': torch.ones(10)}", "that tells filters apart; got 1 for all of them"),
    "layer": ("return {'conv2': torch.rand(10)}", "it gives none for conv1"),
    "raises": ("raise KeyError('x')", "bad.score raises KeyError: 'x'"),
    "none": ("return None", "for the dense network it gives NoneType"),
    "nan_of_pruned": ("return float('nan')", "it gives NaN"),
    "nan_of_one": ("return network.conv1.weight.sum() if len(network.conv1.weight) == 10 else float('nan')",
                   "for combination 0 it gives NaN"),
    "same": ("return 3", "must tell combinations apart; it gives all 7 of them 3"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_bad_criterion_is_one_sentence_and_costs_the_others_nothing(study, tmp_path, monkeypatch, capsys, kind):
    body, reason = BAD[kind]
    module = f"bad_{kind}"
    (tmp_path / f"{module}.py").write_text(f"import torch\ndef score(network, data):\n    {body}\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert main([str(study), "criterion=l1", f"criterion._target_={module}.score"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("oraclecheck: ") and err.count("\n") == 1 and reason.replace("bad.", f"{module}.") in err
    assert len(read_scores(scores_path(study, "l1")).values) == 7
    if kind != "nan_of_one":  # what it gave before the NaN is kept
        assert [path.name for path in (study / "scores").glob("*.parquet")] == ["l1.parquet"]


def test_network_that_raises_where_its_loss_is_measured_costs_the_others_nothing(study, monkeypatch, capsys):
    def fail(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(scoring, "evaluate_each", fail)
    assert main([str(study), "criterion=oracle@100,l1"]) == 2
    err = capsys.readouterr().err
    assert "criterion oracle@100 must score the network; oraclecheck.criteria.damage.oracle raises OutOfMemory" in err
    assert len(read_scores(scores_path(study, "l1")).values) == 7


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["criterion=tailor"], "got 'tailor': did you mean taylor?"),
        (["criterion=taylor", "criterion.taylor.image=5"], "got 'image': did you mean images?"),
        (["criterion=taylor", "criterion.fisher.images=5"], "criterion.fisher must be an option of a criterion that"),
        (["criterion=l1@5"], "must be NAME@IMAGES only where it is measured on so many images; got 'l1@5'"),
        (["criterion._target_=nowhere.score"], "there is no module 'nowhere'"),
        (["criterion=bn_scale"], "must have a BatchNorm with a scale directly behind each layer; conv1 has none"),
        (["criterion=taylor", "criterion.taylor.images=0"], "images must be null, for all, or at least 1; got 0"),
        ([], "criterion must name at least one of activation, "),
        (["criterion=l1", "combo=252"], "combo must lie in 0..251"),
        (["criterion=l1", "nothing=5"], "there is no key 'nothing'"),
        (["criterion=l1", "pruning.order_seed=x"], "pruning.order_seed"),
        (["criterion=l1", "retrain.epochs=3"], "must not hold this study's folder written by other settings"),
    ],
)
def test_bad_command_is_one_sentence(study, capsys, words, reason):
    assert main([str(study), *words]) == 2
    err = capsys.readouterr().err
    assert err.startswith("oraclecheck: ") and err.count("\n") == 1 and reason in err


def test_study_without_its_dense_network_or_file_is_one_sentence(study, capsys):
    shutil.rmtree(study.parent / "dense")
    assert main([str(study), "criterion=l1"]) == 2
    assert "STUDY must have its dense network; " in capsys.readouterr().err
    (study / "study.json").write_text(json.dumps({}))
    assert main([str(study), "criterion=l1"]) == 2
    assert "STUDY must be a study's folder, with a study.json that can be read" in capsys.readouterr().err
    assert main(["criterion=l1"]) == 2
    assert "STUDY must name at least one study's folder" in capsys.readouterr().err


def test_report_judges_stored_scores(study, capsys):
    from oraclecheck.report.command import main as report

    assert main([str(study), "criterion=l1,random,oracle"]) == 0
    assert report([str(study), "--criterion", "all"]) == 1  # combinations are missing
    assert "Criteria, by agreement" in capsys.readouterr().out
    table = pd.read_csv(study / "report" / "criteria.csv").set_index(["metric", "criterion"])
    pairs = pd.read_csv(study / "report" / "criteria_pairs.csv")
    assert len(table) == 6 and len(pairs) == 6
    runs = load_runs(study)
    runs = runs[runs["picked_by"].isna()]
    l1 = runs["combo"].astype(str).map(read_scores(scores_path(study, "l1")).values)
    means = runs.assign(l1=l1).groupby("combo")[["l1", "final_test_loss"]].mean()
    expected = kendalltau(means["l1"], means["final_test_loss"]).statistic
    assert table.loc[("loss", "l1"), "tau"] == pytest.approx(expected)
    assert report([str(study), "--criterion", "l1"]) == 1  # combinations are missing
    alone = pd.read_csv(study / "report" / "l1" / "table.csv").set_index("metric")
    assert alone.loc["loss", "tau"] == pytest.approx(expected)
    assert report([str(study), "--criterion", "l3"]) == 2
    assert "--criterion must be one of all, oracle, l1, random; got l3" in capsys.readouterr().err


def test_report_names_the_criterion_that_has_not_scored_all(study, capsys):
    from oraclecheck.report.command import main as report

    assert main([str(study), "criterion=l1", 'combo="0-2"']) == 0
    assert report([str(study), "--criterion", "all"]) == 2
    assert "every combination must have its score of l1; 8 runs are of some that have none" in capsys.readouterr().err
