"""Which comparison setups studies meet, from definitions and records made by hand."""

from typing import Any

import pandas as pd
import pytest

from oraclecheck.analysis.setups import CHAIN, conditions, setups, strictest
from oraclecheck.report.setups import setups_sentence

DENSE, PRUNED = 400, 100
"""Multiply-accumulates: a speed-up of 4."""


def study(name: str, pretrain: dict[str, Any] | None = None, runs: pd.DataFrame | None = None, **definition: Any):
    """A study that prunes once, with what makes it another one."""
    retrain = {"epochs": 60, "schedule": [[0, 1e-2], [30, 1e-3]], "batch_size": 256}
    divided = definition.pop("divided", False)
    defined = {
        "model": "lenet5_mini",
        "network": {"_target_": "LeNet5Mini"},
        "data": {"tensors": "a" * 64, "augment": {"flip": False}},
        "dense_hash": "b" * 64,
        "pipeline": "one_shot",
        "retrain": {**retrain, **definition.pop("retrain", {})},
        **definition,
    }
    config = {
        "pretrain": {"epochs": 100, "fraction": 1.0, "checkpoint": None, "weights": None, **(pretrain or {})},
        "pipeline": {"divide_by_speedup": divided},
    }
    records = pd.DataFrame([{"status": "ok", "dense_macs": DENSE, "pruned_macs": PRUNED, "rounds": []}])
    return conditions(name, defined, config, records if runs is None else runs)


def met(*studies) -> dict[str, bool | None]:
    return {setup.name: setup.met for setup in setups(studies)}


def why(name: str, *studies) -> str:
    return "; ".join(next(setup.why for setup in setups(studies) if setup.name == name))


def test_equal_studies_meet_every_setup():
    assert set(met(study("a"), study("b")).values()) == {True}
    assert strictest(setups([study("a"), study("b")])) == "S4.2, SX-A, SX-B"


def test_sentence_of_a_report_names_the_first_setup_that_is_not_met():
    found = setups([study("a"), study("b", retrain={"epochs": 90})])
    unmet = "S3.1 is not met: retrain.epochs is 60 and 90"
    assert setups_sentence(found) == f"Comparison setup (arXiv 2301.05219): S2; {unmet}."
    assert setups_sentence(setups([study("a"), study("b")])).endswith("): S4.2, SX-A, SX-B.")


ROUNDS = [
    {"removed": {}, "retrain": {"epochs": 10, "schedule": [[0, 1e-3]]}},
    {"removed": {}, "retrain": {"epochs": 60, "schedule": [[0, 1e-2]]}},
]


@pytest.mark.parametrize(
    ("other", "last", "first_unmet", "says"),
    [
        ({"model": "vgg19"}, None, "S1", "model is lenet5_mini and vgg19"),
        ({"data": {"tensors": "c" * 64}}, None, "S1", "tensors is aaaaaaaa and cccccccc"),
        ({"dense_hash": "c" * 64}, "S1", "S2", "dense network is bbbbbbbb and cccccccc"),
        ({"retrain": {"epochs": 90}}, "S2", "S3.1", "retrain.epochs is 60 and 90"),
        ({"retrain": {"batch_size": 128}}, "S3.1", "S3.2", "retrain.batch_size is 256 and 128"),
        ({"retrain": {"schedule": [[0, 1e-1]]}}, "S3.1", "S3.2", "retrain.schedule is"),
        ({"pipeline": "iterative", "rounds": ROUNDS}, "S3.2", "S4.1", "epochs while pruning is 0 and 10"),
    ],
)
def test_first_setup_that_is_not_met_says_why(other, last, first_unmet, says):
    found = met(study("a"), study("b", **other))
    assert found[first_unmet] is False and says in why(first_unmet, study("a"), study("b", **other))
    assert last is None or found[last] is True
    assert not any(found[name] for name in CHAIN[CHAIN.index(first_unmet) :])


def test_pruning_schedules_are_compared_round_by_round():
    others = [{"removed": {}, "retrain": {"epochs": 10, "schedule": [[0, 1e-1]]}}, ROUNDS[1]]
    a, b = (study(name, pipeline="iterative", rounds=each) for name, each in (("a", ROUNDS), ("b", others)))
    assert met(a, b)["S4.1"] is True and met(a, b)["S4.2"] is False
    assert "rounds.0.schedule is" in why("S4.2", a, b)


def test_rounds_of_other_numbers_are_not_compared_one_by_one():
    iterative = study("b", pipeline="iterative", rounds=ROUNDS)
    assert why("S4.2", study("a"), iterative) == "S4.1 is not met; rounds before the last is 0 and 1"


def test_speed_ups_must_agree_to_a_hundredth():
    near, far = (pd.DataFrame([{"status": "ok", "dense_macs": DENSE, "pruned_macs": macs}]) for macs in (100.5, 90))
    assert met(study("a"), study("b", runs=near))["S1"] is True
    assert met(study("a"), study("b", runs=far))["S1"] is False
    assert "the speed-up is 4.00 and 4.44" in why("S1", study("a"), study("b", runs=far))


def test_speed_up_is_not_guessed_before_there_is_a_record():
    none = study("b", runs=pd.DataFrame({"status": ["failed"], "dense_macs": [None], "pruned_macs": [None]}))
    assert met(study("a"), none)["S1"] is None and met(study("a"), none)["SX-B"] is None
    assert "the speed-up of b is not known" in why("S1", study("a"), none)


def scratch(epochs: int):
    return study("scratch", pipeline="scratch", retrain={"epochs": epochs})


def test_budgets_count_pretraining_pruning_and_retraining():
    """100 epochs of the dense network and 60 of one a quarter as dear: 160 epochs, 460 of the small one's."""
    assert met(study("a"), scratch(160))["SX-A"] is True and met(study("a"), scratch(160))["SX-B"] is False
    assert met(study("a"), scratch(460))["SX-B"] is True and met(study("a"), scratch(460))["SX-A"] is False
    assert "epochs in all are 160 and 460" in why("SX-A", study("a"), scratch(460))
    assert met(study("a"), scratch(160))["S2"] is False
    assert "none: trained from scratch" in why("S2", study("a"), scratch(160))


def test_network_that_is_taken_early_has_only_the_epochs_until_then():
    early = study("P30F90", pipeline="during", pipeline_epoch=30, retrain={"epochs": 90})
    assert early.total(early.epochs) == 120 and met(early, scratch(120))["SX-A"] is True
    divided = study("P30/kF90", pipeline="during", pipeline_epoch=7, divided=True, retrain={"epochs": 90})
    assert met(divided, scratch(120))["SX-B"] is True and met(early, scratch(120))["SX-B"] is False  # 30 / 4 is 7.5


def test_flops_are_equal_to_half_an_epoch_of_what_is_rounded():
    """A dense epoch is worth four pruned ones, and one that is divided by the speed-up is rounded."""
    assert met(scratch(120), scratch(121))["SX-B"] is False and met(scratch(120), scratch(120))["SX-B"] is True
    divided = study("P30/kF90", pipeline="during", pipeline_epoch=7, divided=True, retrain={"epochs": 90})  # 118
    assert met(divided, scratch(120))["SX-B"] is True and met(divided, scratch(121))["SX-B"] is False
    undivided = study("P7F90", pipeline="during", pipeline_epoch=7, retrain={"epochs": 90})
    assert met(undivided, scratch(120))["SX-B"] is False and met(undivided, scratch(118))["SX-B"] is True


def test_rounds_cost_what_their_networks_cost():
    runs = pd.DataFrame(
        [{"status": "ok", "dense_macs": DENSE, "pruned_macs": PRUNED, "rounds": [{"macs": 250}, {"macs": 100}]}]
    )
    rounds = study("a", pipeline="iterative", rounds=ROUNDS, runs=runs)
    assert rounds.epochs == {"pretraining": 100, "pruning": 10, "retraining": 60}
    assert rounds.flops == {"pretraining": 2 * 100 * 400, "pruning": 2 * 10 * 250, "retraining": 2 * 60 * 100}


def test_pretraining_of_a_loaded_network_is_not_guessed():
    loaded = study("b", pretrain={"checkpoint": "base.pt"})
    found = met(study("a"), loaded)
    assert found["S4.2"] is True and found["SX-A"] is None and found["SX-B"] is None
    assert "b loads its dense network (pretrain.checkpoint), which hides" in why("SX-A", study("a"), loaded)
    assert loaded.total(loaded.epochs) is None


def test_fraction_of_the_pretraining_is_what_counts():
    assert study("a", pretrain={"fraction": 0.25}).epochs["pretraining"] == 25


@pytest.mark.parametrize("content", [{}, {"pipeline": "one_shot", "retrain": 3}, {"pipeline": [], "retrain": {}}])
def test_file_that_no_sweep_wrote_is_a_sentence(content):
    with pytest.raises(ValueError, match=r"^s must have the file that a sweep wrote; "):
        conditions("s", content, {"pretrain": {}}, pd.DataFrame())


def test_masked_networks_are_alike_only_at_one_ratio():
    """They have as many multiply-accumulates as the dense network, at whichever ratio."""
    a, b, c = (study(n, unstructured={}, pruning_ratio={"conv1": r}) for n, r in (("a", 0.5), ("b", 0.9), ("c", 0.5)))
    assert met(a, c)["S1"] is True and met(a, b)["S1"] is False
    assert "pruning_ratio.conv1 is 0.5 and 0.9" in why("S1", a, b)
