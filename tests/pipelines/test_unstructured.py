"""A study of single weights, from the command line to its records and their table."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from quick import QUICK

import oraclecheck as oc
from oraclecheck.analysis.verdict import verdict
from oraclecheck.cli import main
from oraclecheck.pruning.masks.packed import mask_hash, read_masks
from oraclecheck.records.columns import from_text, to_text
from oraclecheck.records.combination_key import combination_keys, is_number, knows_filters
from oraclecheck.records.wandb.columns import flat_config, to_config
from oraclecheck.score import main as score

COMMAND = (*QUICK, "logger=none", "pruning=unstructured", "pruning.ratio=0.5", "pruning.unstructured.noise=[0,1]")


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    out = tmp_path_factory.mktemp("unstructured")
    assert main([*COMMAND, f"paths.out={out}", 'combo="0-8"', "repeat=0"]) == 0
    assert main([*COMMAND, f"paths.out={out}", 'combo="0,1"', "repeat=1"]) == 0
    (study,) = out.glob("lenet5_mini-*")
    return study


@pytest.fixture
def study(swept, tmp_path):
    shutil.copytree(swept.parent, tmp_path / "out")
    return tmp_path / "out" / swept.name


def record(study: Path, combination: int, repeat: int = 0) -> dict:
    return json.loads((study / str(combination) / str(repeat) / "record.json").read_text())


def test_records_say_how_weights_were_chosen_and_how_many_are_left(swept):
    assert swept.name.startswith("lenet5_mini-digits-unstructured_0.5-")
    first, noisy = record(swept, 1), record(swept, 5)
    assert (first["removed"]["method"], first["removed"]["noise"], first["removed"]["seed"]) == ("global", 0.0, None)
    assert (noisy["removed"]["method"], noisy["removed"]["noise"]) == ("global", 1.0)
    assert first["status"] == "ok"
    assert (first["dense_params"], first["pruned_params"]) == (5500, 5500 - 2725)
    assert first["pruned_macs"] == first["dense_macs"]
    assert (first["order"], first["space_size"], set(first["pruning_ratio"].values())) == ("sampled", None, {0.5})
    assert first["layers"] == ["conv1", "conv2", "conv3", "hidden.0", "classifier"]


def test_repeats_share_masks_that_are_kept_as_bits(swept):
    first, again = record(swept, 1), record(swept, 1, 1)
    assert first["removed"] == again["removed"]
    assert first["pruned_train_loss"] == again["pruned_train_loss"]
    assert first["seed"] != again["seed"]
    masks = read_masks(swept / "1" / "masks.json")
    assert mask_hash(masks) == first["removed"]["mask"]
    dense = torch.load(next((swept.parent / "dense").glob("*.pt")), weights_only=True)["state_dict"]
    weights = np.concatenate([dense[f"{name}.weight"].abs().numpy().ravel() for name in masks])
    removed = np.concatenate([mask.numpy().ravel() for mask in masks.values()])
    assert removed.sum() == 2725
    assert weights[removed].max() <= weights[~removed].min()


def test_runs_are_a_sample_of_combinations_without_filters(swept):
    runs = oc.load_runs(swept)
    keys = combination_keys(runs)
    assert len(set(keys)) == 9 and not any(map(knows_filters, keys)) and not any(map(is_number, keys))
    table = oc.correlate(runs)
    assert set(table["n"]) == {9}
    assert set(table["space"]) == {"sampled"} and "repeats" not in set(table["interval"])
    assert table["p_permutation"].isna().all() and not table["note"].str.contains("filter").any()
    assert table["note"].str.contains("masks of one method are alike").all()
    row = {**table.iloc[0], "agreement_low": 0.5, "relation": "agrees", "agreement_missing_low": 0.5}
    assert verdict(row)[0] == "valid" and verdict(row)[1].endswith("though those of one method are alike")


def test_methods_alone_are_a_census_without_a_permuted_p(tmp_path):
    words = ("pruning.unstructured.noise=[0]", f"paths.out={tmp_path}", "combo=all", "repeat=0")
    assert main(["-m", *COMMAND, *words]) == 0
    table = oc.correlate(oc.load_runs(tmp_path))
    assert set(table["n"]) == {4} and set(table["space"]) == {"enumerated"}
    assert table["p_permutation"].isna().all() and not table["note"].str.contains("filters").any()


def test_a_run_without_a_record_is_told_by_its_number(study):
    (study / "5" / "0" / "record.json").write_text("{")
    runs = oc.load_runs(study)
    (unfinished,) = runs[runs["status"] == "unfinished"].to_dict("records")
    assert unfinished["removed"]["method"] == "global" and "mask" not in unfinished["removed"]
    assert unfinished["seed"] != record(study, 4)["seed"]
    assert len(set(combination_keys(runs))) == 9
    assert oc.correlate(runs)["n"].iloc[0] == 8


def test_a_record_of_another_combination_does_not_count(study):
    path = study / "5" / "0" / "record.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "removed": {**content["removed"], "seed": 1}}))
    runs = oc.load_runs(study)
    (unfinished,) = runs[runs["status"] == "unfinished"].to_dict("records")
    assert "as its combination has it" in unfinished["error"]


def test_columns_travel_through_files_and_wandb(swept):
    content = record(swept, 5)
    assert from_text("removed", to_text("removed", content["removed"])) == content["removed"]
    assert to_config(content)["removed"] == to_text("removed", content["removed"])
    assert flat_config(content, {})["removed/method"] == "global"


def test_criteria_of_pruned_networks_score_masks_and_those_of_filters_are_refused(study, capsys):
    words = ("criterion=oracle,oracle@20,after_steps", "criterion.after_steps.steps=1")
    assert score([str(study), *words]) == 0
    assert "oracle: 9 combinations, 9 of them now" in capsys.readouterr().out
    assert score([str(study), "criterion=l1"]) == 2
    assert (
        capsys.readouterr()
        .err.rstrip()
        .endswith("criterion l1 must be one of pruned networks where pruning.scheme is unstructured")
    )


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (
            "pruning.unstructured.layers=[convv1]",
            "must match convolutions or linear layers of the network; got 'convv1'",
        ),
        ("engine=stacked", "got stacked, which does not keep removed weights at zero: choose engine=lightning"),
        (
            "trainer.precision=16-mixed",
            "trainer.precision must be none that scales gradients where pruning.scheme is unstructured; got 16-mixed",
        ),
        ("combo=l1", "combo must be an index or a set where pruning.scheme is unstructured; got l1"),
        ("combo=all", "combo must be a set of indices, such as 0-999"),
    ],
)
def test_bad_input_is_one_sentence_before_anything_is_trained(command, words, reason):
    code, _, err = command(*COMMAND, words)
    assert code == 2 and reason in err and len(err.splitlines()) == 1
    assert not list(Path("multirun").glob("dense/*.pt"))


def test_automatic_engine_takes_lanes_which_end_where_lightning_ends(command):
    quick = ("combo=0", "retrain.epochs=1", "retrain.lr='0: 1e-2'")
    assert command(*COMMAND, "engine=auto", *quick)[0] == command(*COMMAND, *quick)[0] == 0
    runs = oc.load_runs("multirun").set_index("engine")
    assert set(runs.index) == {"lanes", "lightning"}
    for column in ("pruned_train_loss", "final_test_loss", "pruned_params"):
        assert runs.loc["lanes", column] == pytest.approx(runs.loc["lightning", column], rel=1e-5)


def test_masks_that_come_out_otherwise_are_not_scored_as_those_of_the_record(study, capsys, monkeypatch):
    """As with a version of NumPy that draws other numbers: those of methods without noise stay what they are."""
    drawn = np.random.PCG64
    monkeypatch.setattr(np.random, "PCG64", lambda seed: drawn(seed + 1))
    assert score([str(study), "criterion=oracle@20", 'combo="0,1"']) == 0
    capsys.readouterr()
    for words in (["criterion=oracle@20"], ["criterion=after_steps", "criterion.after_steps.steps=1"]):
        assert score([str(study), *words]) == 2
        said = capsys.readouterr().err.strip().splitlines()[-1]
        sha = record(study, 4)["removed"]["mask"][:8]
        assert study.name in said and f"combination 4, recorded with numpy {np.__version__}, torch " in said
        assert f"masks of a combination must be the same wherever they are made; its record has {sha}, here" in said
