"""Iterative pruning: rounds of pruning and retraining, each from where the last one ended."""

import itertools
import json
import math
from pathlib import Path

import pytest
import torch
from quick import QUICK

from oraclecheck.records.scores import read_scores, scores_path
from oraclecheck.records.store import read_record
from oraclecheck.records.table import load_runs
from oraclecheck.score import main as score

ROUNDS = (
    'pipeline.rounds=[{ratio: 0.2, epochs: 1, lr: "0: 2e-2"}, {ratio: 0.1, epochs: 1, lr: "0: 2e-2"}, {ratio: 0.2}]'
)
ITERATIVE = ("logger=none", "pipeline=iterative", ROUNDS)
MACS = {filters: filters * (784 * 25 + 25 * 10 * 100) + 10 * 10 * 25 + 200 for filters in (8, 7)}


def the_path(combination: str = "0", repeat: int = 0) -> Path:
    return next(Path("multirun").glob(f"lenet*/{combination}/{repeat}/record.json"))


def the_record(combination: str = "0", repeat: int = 0) -> dict:
    return json.loads(the_path(combination, repeat).read_text())


@pytest.mark.parametrize("engine", ["lightning", pytest.param("lanes", marks=pytest.mark.slow)])
def test_record_holds_every_round(command, engine):
    assert command(*QUICK, *ITERATIVE, f"engine={engine}", "combo=1234")[0] == 0
    record = the_record("1234")
    assert record["pipeline"] == "iterative" and record["space_size"] == 45 * 8 * 21  # 10 over 2, 8 over 1, 7 over 2
    assert [entry["epochs"] for entry in record["rounds"]] == [1, 1, 2]
    assert [entry["macs"] for entry in record["rounds"]] == [MACS[8], MACS[7], 225700]
    assert [entry["epoch"] for entry in record["history"]] == [0, 1, 2, 3]
    assert [entry["lr"] for entry in record["history"]] == [2e-2, 2e-2, 4e-2, 4e-3]
    first, second, third = record["rounds"]
    assert record["pruned_train_loss"] == third["pruned_train_loss"] and record["best_epoch"] >= 2
    assert record["final_test_loss"] == third["retrained_test_loss"] == record["history"][-1]["test_loss"]
    assert first["retrained_test_loss"] == record["history"][0]["test_loss"]
    assert second["pruned_test_loss"] != first["retrained_test_loss"]
    assert len(set(record["removed"]["conv1"])) == 5
    assert vars(read_record(the_path("1234")))["rounds"] == record["rounds"]
    [run] = load_runs("multirun").to_dict("records")
    assert run["rounds"] == record["rounds"] and run["status"] == "ok"


def test_rounds_remove_the_filters_that_the_dense_network_numbers(command):
    """With steps that change nothing, every round's network is the dense one with its filters masked."""
    still = ROUNDS.replace("2e-2", "1e-30")
    assert (
        command(*QUICK, *ITERATIVE[:2], still, "retrain.lr='0: 1e-30'", "retrain.weight_decay=0", "combo=4321")[0] == 0
    )
    record = the_record("4321")
    union = sorted(record["removed"]["conv1"])
    index = list(itertools.combinations(range(10), 5)).index(tuple(union))
    still_once = ("logger=none", "retrain.lr='0: 1e-30'", "paths.out=once", f"combo={index}")
    assert command(*QUICK, *still_once)[0] == 0
    once = json.loads(next(Path("once").glob("*/*/0/record.json")).read_text())
    assert once["removed"]["conv1"] == union
    assert record["pruned_train_loss"] == pytest.approx(once["pruned_train_loss"], rel=1e-5)


def test_one_round_is_one_shot(command):
    assert command(*QUICK, "logger=none", "pipeline=iterative", "pipeline.rounds=1", "combo=7", "paths.out=a")[0] == 0
    assert command(*QUICK, "logger=none", "combo=7", "paths.out=b")[0] == 0
    a, b = (json.loads(next(Path(out).glob("*/7/0/record.json")).read_text()) for out in "ab")
    same = ("removed", "seed", "pruned_train_loss", "final_test_loss", "history", "final_test_correct")
    assert [a[name] for name in same] == [b[name] for name in same]
    assert a["study_hash"] != b["study_hash"] and "rounds" not in b


def test_same_seeds_give_the_same_rounds_and_a_repeat_others(command):
    for out in "ab":
        assert command(*QUICK, *ITERATIVE, "repeat='0,1'", f"paths.out={out}")[0] == 0
    a, b, other = (
        json.loads(next(Path(out).glob(f"*/0/{repeat}/record.json")).read_text())["rounds"]
        for out, repeat in (("a", 0), ("b", 0), ("a", 1))
    )
    assert a == b
    assert a[0]["pruned_train_loss"] == other[0]["pruned_train_loss"]
    assert a[1]["pruned_train_loss"] != other[1]["pruned_train_loss"]


def test_sweep_of_rounds_is_resumed_where_it_was_left(command):
    assert command(*QUICK, *ITERATIVE, 'combo="0-1"')[0] == 0
    before = {path: path.stat().st_mtime_ns for path in Path("multirun").glob("lenet*/*/0/record.json")}
    the_path("1").unlink()
    assert command(*QUICK, *ITERATIVE, 'combo="0-2"')[0] == 0
    again = {path: path.stat().st_mtime_ns for path in Path("multirun").glob("lenet*/*/0/record.json")}
    assert len(again) == 3 and sum(again[path] == stamp for path, stamp in before.items()) == 1


def test_round_that_diverges_ends_the_run_and_is_kept(command):
    wild = 'pipeline.rounds=[{epochs: 1, lr: "0: 1e-2"}, {epochs: 1, lr: "0: 1e15"}, {}]'
    assert command(*QUICK, "logger=none", "pipeline=iterative", wild)[0] == 0
    record = read_record(the_path())
    assert record.status == "diverged" and len(record.rounds) == 2 and len(record.history) == 2
    assert not math.isfinite(record.rounds[1]["retrained_train_loss"])


def test_combinations_of_the_same_filters_in_other_rounds_are_two(command):
    """The report takes neither for the other, nor one's score for a contradiction of the other's."""
    assert command(*QUICK, *ITERATIVE, "pruning.order=lexicographic", 'combo="0,21"')[0] == 0
    runs = load_runs("multirun")
    first, second = runs["removed"].map(lambda removed: removed["conv1"])
    assert sorted(first) == sorted(second) and first != second
    from oraclecheck.analysis.tables import combinations_table

    assert len(combinations_table(runs)) == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("pipeline.rounds=0",), "pipeline.rounds must be how many there are, or a list"),
        (("pipeline.rounds=[{ratio: 0.1}, {ratio: 0.3}]",), "make 0.4 of the filters, where conv1 loses 0.5"),
        (("pipeline.rounds=[{ratio: 0.1}, {epochs: 3}]",), "must give every round its ratio, or none"),
        (("pipeline.rounds=[{share: 0.1}]",), "or a list such as"),
        (("pipeline.rounds=6",), "round 6 of 6 removes none of 10: take fewer rounds"),
        (("pipeline.rounds=[{epochs: 0}, {}]",), "pipeline.rounds.0.epochs must be at least 1; got 0"),
        (("pipeline.rounds=[{epochs: 1, lr: '0: 1, 5: 2'}, {}]",), "within the 1 epochs of pipeline.rounds.0.epochs"),
        (("combo=l1",), "combo must be an index or a set for pipeline=iterative"),
        (("pruning.wiring=released_code",), "pruning.wiring must be correct for pipeline=iterative"),
        (("pipeline.budget=flops",), "pipeline.budget must be left out unless pipeline=scratch; got flops"),
    ],
)
def test_rounds_that_cannot_be_done_are_refused_before_training(command, words, says):
    code, _, err = command(*QUICK, "logger=none", "pipeline=iterative", *words)
    assert code == 2 and says in err and len(err.splitlines()) == 1
    assert not list(Path("multirun").glob("dense/*.pt"))


def test_dense_network_is_left_as_it_was(command):
    assert command(*QUICK, *ITERATIVE, "stage=pretrain")[0] == 0
    path = next(Path("multirun/dense").glob("*.pt"))
    before = torch.load(path, weights_only=True)["state_dict"]
    assert command(*QUICK, *ITERATIVE, 'combo="0-1"')[0] == 0
    after = torch.load(path, weights_only=True)["state_dict"]
    assert all(torch.equal(before[name], after[name]) for name in before)
    hashes = {
        json.loads(each.read_text())["dense_test_loss"] for each in Path("multirun").glob("lenet*/*/0/record.json")
    }
    assert len(hashes) == 1


def test_score_of_the_oracle_is_the_mean_of_the_repeats_and_of_nothing_else(command, capsys):
    assert command(*QUICK, *ITERATIVE, "combo='0,1'", "repeat='0,1'")[0] == 0
    (study,) = Path("multirun").glob("lenet*/")
    assert score([str(study), "criterion=oracle"]) == 0
    values = read_scores(scores_path(study, "oracle")).values
    for combination in "01":
        losses = [the_record(combination, repeat)["pruned_train_loss"] for repeat in (0, 1)]
        assert losses[0] != losses[1] and values[combination] == pytest.approx(sum(losses) / 2, rel=1e-12)
    assert score([str(study), "criterion=oracle", "combo='0-2'"]) == 2
    reason = "oracle must be asked for combinations with a record where pipeline is iterative"
    assert reason in capsys.readouterr().err
    assert read_scores(scores_path(study, "oracle")).values == values
