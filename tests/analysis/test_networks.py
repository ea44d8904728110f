"""Agreement across dense networks, against scipy's t-interval and by simulation."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student
from scipy.stats import ttest_1samp
from statsmodels.stats.multitest import multipletests

from oraclecheck.analysis.networks import across_networks, unlike_settings
from oraclecheck.analysis.tables import correlate


def studies(agreements: list[float], **columns) -> pd.DataFrame:
    """Networks of one setting, whose noise-free agreement is 1.1 times the agreement that they show."""
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
            **{
                "wiring": "correct",
                "order": "lexicographic",
                "space_size": 45,
                "pipeline": "one_shot",
                "engine": "lightning",
                "retrain_fraction": 1.0,
                "k": 3,
            },
            "criterion": "oracle",
            **{"dense_hash": f"h{i}", "pretrain_seed": i, "final": "last", "metric": "loss", "agreement": s},
            **{"noise_free": 1.1 * s, "rho_k_low": 0.5, "reason": ""},
            **columns,
        }
        for i, s in enumerate(agreements)
    ]
    return pd.DataFrame(rows)


def test_interval_over_networks_is_scipys():
    s = [0.5, 0.6, 0.4, 0.55]
    (row,) = across_networks(studies(s)).to_dict("records")
    for name, values in (("agreement", s), ("noise_free", [1.1 * value for value in s])):
        low, high = student.interval(0.95, 3, loc=np.mean(values), scale=np.std(values, ddof=1) / 2)
        found = (row[name], row[f"{name}_low"], row[f"{name}_high"])
        assert found == pytest.approx((np.mean(values), low, high))
    assert (row["networks"], row["scope"], row["studies"]) == (4, "4 networks", ["s0", "s1", "s2", "s3"])
    assert (row["relation"], row["verdict"]) == ("agrees", "valid")


def test_networks_that_happen_to_be_equal_show_no_spread():
    (row,) = across_networks(studies([0.6, 0.6, 0.6 + 1e-16])).to_dict("records")
    assert row["agreement"] == pytest.approx(0.6) and math.isnan(row["agreement_low"]) and math.isnan(row["p"])
    assert (row["relation"], row["verdict"]) == ("none shown", "undecided") and "same s" in row["reason"]


def test_one_bad_network_is_seen_beside_the_mean():
    (row,) = across_networks(studies([0.5, 0.6, 0.55, 0.52, -0.4])).to_dict("records")
    assert row["agreement_median"] == 0.52
    assert row["leave_out_low"] == pytest.approx((0.5 + 0.55 + 0.52 - 0.4) / 4)
    assert row["leave_out_high"] == pytest.approx((0.5 + 0.6 + 0.55 + 0.52) / 4)
    assert row["p_sign"] == pytest.approx(2 * (1 + 5) / 32)  # 4 of 5 signs, both tails
    assert row["verdict"] == "undecided"


def test_p_over_networks_is_scipys_and_adjusted_over_settings():
    tables = [
        studies(s, setting_hash=f"{i}") for i, s in enumerate(([0.5, 0.6, 0.4], [0.19, 0.2, 0.21], [0.0, -0.1, 0.1]))
    ]
    table = across_networks(pd.concat(tables))
    p = [ttest_1samp(s["agreement"], 0).pvalue for s in tables]
    assert table["p"].tolist() == pytest.approx(p)
    assert table["p_holm"].tolist() == pytest.approx(multipletests(p, method="holm")[1].tolist())
    assert table["relation"].tolist() == ["agrees", "agrees", "none shown"]


@pytest.mark.parametrize(
    ("s", "relation", "verdict", "reason"),
    [
        ([0.5, 0.6], "none shown", "undecided", "sample: an interval needs 3 dense networks; there are 2"),
        ([0.1, 0.2, 0.3], "none shown", "undecided", "sample: the interval over 3 networks holds 0.2"),
        (
            [0.01, 0.02, 0.03],
            "none shown",
            "invalid",
            "even freed of noise, the interval over networks lies at or below",
        ),
        ([0.50, 0.51, 0.52], "agrees", "valid", "the interval over networks lies above 0.2"),
        ([0.192, 0.193, 0.194], "agrees", "valid", "freed of noise, the interval over networks lies above 0.2"),
        ([-0.50, -0.51, -0.52], "opposes", "inverse", "even freed of noise, the interval over networks lies below 0"),
    ],
)
def test_verdict_over_networks_says_why(s, relation, verdict, reason):
    (row,) = across_networks(studies(s)).to_dict("records")
    assert (row["relation"], row["verdict"]) == (relation, verdict) and row["reason"].startswith(reason)
    assert math.isnan(row["agreement_low"]) == (len(s) < 3)


@pytest.mark.parametrize("hidden", [{"rho_k_low": 0.0, "noise_free": math.nan}, {"rho_k_low": math.nan, "k": 1}])
def test_noise_that_may_hide_everything_makes_no_mean_invalid(hidden):
    """A perfect criterion with heavy noise shows an s near 0 in every network: that says nothing."""
    table = studies([0.00, 0.01, 0.02], reason="noise: the repeats do not agree with each other", **hidden)
    (row,) = across_networks(table).to_dict("records")
    assert row["verdict"] == "undecided" and row["reason"].startswith("noise: ")
    assert math.isnan(row["noise_free"])
    one_of_them = studies([0.00, 0.01, 0.02])
    one_of_them.loc[1, list(hidden)] = list(hidden.values())
    (row,) = across_networks(one_of_them).to_dict("records")
    assert row["verdict"] == "undecided" and row["reason"].startswith("no repeats: ")
    (row,) = across_networks(studies([0.50, 0.51, 0.52], **hidden)).to_dict("records")
    assert row["verdict"] == "valid"  # noise takes away, it does not give


@pytest.mark.parametrize(
    "reason",
    [
        "incomplete: the first 12 of 45 combinations are no random sample of them",
        "sample: how the combinations were chosen is not known",
    ],
)
def test_what_no_study_can_decide_their_mean_cannot_either(reason):
    for agreements in ([0.00, 0.01, 0.02], [0.50, 0.51, 0.52]):
        table = studies(agreements)
        table.loc[1, "reason"] = reason
        (row,) = across_networks(table).to_dict("records")
        assert (row["relation"], row["verdict"], row["reason"]) == ("none shown", "undecided", reason)


def test_verdict_of_a_study_alone_hinders_no_mean():
    for s, verdict in (([0.01, 0.02, 0.03], "invalid"), ([0.50, 0.51, 0.52], "valid")):
        table = studies(s, reason="sample: the interval of s holds 0.2")
        assert across_networks(table)["verdict"].tolist() == [verdict]


@pytest.mark.parametrize("networks", [5, 8])
def test_perfect_criterion_under_heavy_noise_is_never_called_invalid(networks):
    """Simulated from the truth: s* is 1, one repeat has a reliability of 0.1, s of two repeats lies near 0.27."""
    found = []
    for seed in range(6):
        runs = []
        for network in range(networks):
            rng = np.random.default_rng(100 * seed + network)
            truth = rng.normal(size=45)
            finals = np.sqrt(0.1) * truth[:, None] + np.sqrt(0.9) * rng.normal(size=(45, 2))
            fixed = {
                "study": f"s{network}",
                "study_hash": f"{network}",
                "setting_hash": "5",
                "dense_hash": f"{network}",
            }
            fixed |= {"order": "sampled", "space_size": 10**6, "picked_by": None, "status": "ok", "wiring": "correct"}
            runs += [
                {**fixed, "combo": i, "removed": {"conv1": [i]}, "repeat": r}
                | {"pruned_train_loss": truth[i], "final_test_loss": finals[i, r]}
                for i in range(45)
                for r in range(2)
            ]
        table = correlate(pd.DataFrame(runs), metric="loss", draws=200)
        (row,) = across_networks(table).to_dict("records")
        found.append(row["verdict"])
    assert set(found) <= {"undecided", "valid"}


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
