"""Agreement across dense networks, against scipy's t-interval and by simulation."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from oraclecheck.analysis.networks import across_networks, unlike_settings


def studies(agreements: list[float], **columns) -> pd.DataFrame:
    rows = [
        {
            **{
                "study": f"s{i}",
                "setting_hash": "5" * 64,
                "model": "lenet5_mini",
                "data": "mnist",
                "layers": "conv1",
                "pruning_ratio": "0.2",
            },
            **{"wiring": "correct", "order": "lexicographic", "space_size": 45, "retrain_fraction": 1.0, "k": 3},
            "criterion": "oracle",
            **{"dense_hash": f"h{i}", "pretrain_seed": i, "final": "last", "metric": "loss", "agreement": s},
            **columns,
        }
        for i, s in enumerate(agreements)
    ]
    return pd.DataFrame(rows)


def test_interval_over_networks_is_scipys():
    s = [0.5, 0.6, 0.4, 0.55]
    (row,) = across_networks(studies(s)).to_dict("records")
    low, high = student.interval(0.95, 3, loc=np.mean(s), scale=np.std(s, ddof=1) / 2)
    assert (row["networks"], row["agreement"]) == (4, pytest.approx(0.5125))
    assert (row["agreement_low"], row["agreement_high"]) == (pytest.approx(low), pytest.approx(high))
    assert (row["verdict"], row["studies"]) == ("valid", ["s0", "s1", "s2", "s3"])


@pytest.mark.parametrize(
    ("s", "verdict", "reason"),
    [
        ([0.5, 0.6], "undecided", "sample: an interval needs 3 dense networks; there are 2"),
        ([0.1, 0.2, 0.3], "undecided", "sample: the interval over 3 networks holds 0.2"),
        ([0.00, 0.01, 0.02], "invalid", "the interval over networks lies at or below 0.2"),
        ([0.50, 0.51, 0.52], "valid", "the interval over networks lies above 0.2"),
    ],
)
def test_verdict_over_networks_says_why(s, verdict, reason):
    (row,) = across_networks(studies(s)).to_dict("records")
    assert (row["verdict"], row["reason"]) == (verdict, reason)
    assert math.isnan(row["agreement_low"]) == (len(s) < 3)


@pytest.mark.parametrize(
    ("reason", "low", "high"),
    [
        ("sample: 12 of 45 combinations in lexicographic order are no random sample of them", "undecided", "undecided"),
        ("noise: the repeats do not agree with each other", "undecided", "valid"),
        ("sample: the interval of s holds 0.2", "invalid", "valid"),
    ],
)
def test_what_no_study_can_decide_their_mean_cannot_either(reason, low, high):
    """Retraining noise pulls s towards 0, so it may make a mean look invalid; a biased sample may do anything."""
    for agreements, expected in (([0.00, 0.01, 0.02], low), ([0.50, 0.51, 0.52], high)):
        table = studies(agreements, reason="")
        table.loc[1, "reason"] = reason
        (row,) = across_networks(table).to_dict("records")
        assert row["verdict"] == expected and (expected != "undecided" or row["reason"] == reason)


def test_studies_group_only_if_they_differ_in_the_network_alone():
    table = pd.concat([studies([0.1, 0.2]), studies([0.3], setting_hash="6" * 64), studies([0.4], metric="accuracy")])
    assert across_networks(table)["networks"].tolist() == [2]
    assert across_networks(studies([0.4])).empty


def test_two_recipes_that_no_column_tells_apart_are_not_pooled():
    """Three studies of two recipes: only the two of one recipe are networks of one setting."""
    table = studies([0.5, 0.6, 0.7])
    table.loc[2, "setting_hash"] = "6" * 64
    (row,) = across_networks(table).to_dict("records")
    assert (row["studies"], row["agreement"], row["verdict"]) == (["s0", "s1"], pytest.approx(0.55), "undecided")
    (alike,) = unlike_settings(table, {})
    assert alike["studies"].tolist() == [["s0", "s1"], ["s2"]]
    assert set(alike["differs"]) == {"setting_hash; what it stands for lies in study.json"}


def test_settings_that_look_alike_stand_side_by_side_with_the_keys_in_which_they_differ():
    table = studies([0.5, 0.6, 0.7])
    table.loc[2, "setting_hash"] = "6" * 64
    common = {"seed": 0, "data": {"content": "a" * 64, "mean": [0.5]}}
    recipes = [{"epochs": 10, "lr": [[0, 0.1]]}, {"epochs": 30, "lr": [[0, 0.1]]}]
    definitions = {f"s{i}": {**common, "retrain": recipes[i // 2], "dense_hash": str(i)} for i in range(3)}
    definitions["s2"] = {**definitions["s2"], "data": {"content": "b" * 64, "mean": [0.5]}, "scheme": "width"}
    (alike,) = unlike_settings(table, definitions)
    assert alike["differs"].tolist() == [
        "data.content aaaaaaaa; retrain.epochs 10; scheme –",
        "data.content bbbbbbbb; retrain.epochs 30; scheme width",
    ]
    told_apart = table.assign(wiring=["correct", "correct", "released_code"])
    assert unlike_settings(told_apart, definitions) == [] == unlike_settings(table.iloc[:2], definitions)


def test_points_off_a_figure_are_never_averaged():
    assert across_networks(studies([0.1, 0.2, 0.3], setting_hash=None)).empty


def test_a_study_that_has_only_begun_does_not_count():
    table = studies([0.1, 0.2, 0.3, math.nan])
    table.loc[3, "dense_hash"] = "h0"
    assert across_networks(table)["networks"].tolist() == [3]


def test_studies_of_one_network_are_not_averaged():
    (row,) = across_networks(studies([0.1, 0.2, 0.3], dense_hash="same")).to_dict("records")
    assert math.isnan(row["agreement"])
    assert row["note"].startswith("some studies are of one dense network")


@pytest.mark.parametrize("networks", [3, 5])
def test_interval_over_networks_covers_the_mean_of_the_architecture(networks):
    rng = np.random.default_rng(0)
    groups = [studies(list(0.3 + 0.1 * rng.normal(size=networks)), setting_hash=f"{i}") for i in range(400)]
    table = across_networks(pd.concat(groups))
    held = (table["agreement_low"] <= 0.3) & (table["agreement_high"] >= 0.3)
    assert (len(held), held.mean()) == (400, pytest.approx(0.95, abs=0.025))
