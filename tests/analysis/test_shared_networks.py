"""Two settings over the networks that both have, against scipy on the differences of single pairs."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau, ttest_1samp

from oraclecheck.analysis.shared_networks import compare_settings

FILTERS = 12


def study(setting: str, network: int, noise: float, k: int = 2) -> pd.DataFrame:
    """A census of 12 combinations; the networks' truths differ, and the settings share them."""
    truth = np.random.default_rng(network).normal(size=FILTERS)
    rng = np.random.default_rng([network, len(setting)])
    score = truth + noise * rng.normal(size=FILTERS)
    rows = []
    for combo in range(FILTERS):
        for repeat in range(k):
            loss = truth[combo] + 0.1 * rng.normal()
            row = {"study": f"{setting}-{network}", "study_hash": f"{setting}-{network}", "setting_hash": setting}
            row |= {"order": "lexicographic", "space_size": FILTERS, "combo": combo, "removed": {"conv1": [combo]}}
            row |= {"dense_hash": f"dense {network}", "pretrain_seed": network, "picked_by": None, "repeat": repeat}
            row |= {"pruned_train_loss": score[combo], "final_test_loss": loss, "final_test_accuracy": -loss}
            rows.append(row | {"status": "ok"})
    return pd.DataFrame(rows)


def setting(name: str, networks: range, noise: float) -> pd.DataFrame:
    return pd.concat([study(name, network, noise) for network in networks], ignore_index=True)


def s_of(runs: pd.DataFrame) -> float:
    means = runs.groupby("combo")[["pruned_train_loss", "final_test_loss"]].mean()
    return kendalltau(means["pruned_train_loss"], means["final_test_loss"]).statistic


def test_mean_difference_is_scipys_over_the_networks_that_both_have():
    a, b = setting("good", range(5), 0.3), setting("worse", range(1, 6), 3.0)
    table = compare_settings(a, b, metric="loss", draws=50)
    differences = [s_of(study("good", n, 0.3)) - s_of(study("worse", n, 3.0)) for n in range(1, 5)]
    assert table["study_a"].tolist() == ["good-1", "good-2", "good-3", "good-4", "mean"]
    assert table["pretrain_seed"].tolist() == [1, 2, 3, 4, pd.NA]
    assert table["difference"].tolist() == pytest.approx([*differences, np.mean(differences)])
    test = ttest_1samp(differences, 0)
    mean = table.iloc[-1]
    ends = test.confidence_interval(0.95)
    assert (mean["difference_low"], mean["difference_high"]) == pytest.approx((ends.low, ends.high))
    assert mean["p"] == pytest.approx(test.pvalue)
    assert (mean["networks"], mean["interval"]) == (4, "networks")
    assert mean["note"] == "left out: dense networks 1 only in A, 1 only in B"


def test_two_networks_have_a_mean_and_no_interval():
    row = compare_settings(setting("x", range(2), 0.3), setting("yy", range(2), 3.0), draws=50).iloc[2]
    assert (row["study_a"], row["networks"], row["interval"]) == ("mean", 2, "none")
    assert np.isfinite(row["difference"]) and np.isnan(row["difference_low"]) and np.isnan(row["p"])
    assert row["note"] == "an interval needs 3 dense networks; there are 2"


def test_settings_without_a_network_in_common_are_refused():
    with pytest.raises(ValueError, match="must have dense networks in common"):
        compare_settings(setting("x", range(2), 0.3), setting("yy", range(2, 4), 0.3))


def test_a_dense_network_under_two_names_is_refused():
    twice = pd.concat([study("x", 0, 0.3), study("x", 0, 0.3).assign(study="again", study_hash="again")])
    with pytest.raises(ValueError, match="setting A must have one study of each dense network; x-0, again are of one"):
        compare_settings(twice, study("yy", 0, 0.3))
