"""The three answers, one sentence each; and what is left of them where several settings are judged together."""

import math

import numpy as np
import pandas as pd
import pytest
from hand_made import correlated
from simulation import WORLDS, additive, removed_filters
from statsmodels.stats.multitest import multipletests

from oraclecheck.analysis.tables import correlate
from oraclecheck.analysis.verdict import judged, relation, tally, verdict
from oraclecheck.report.grids import honest_grids, paper_grids
from oraclecheck.report.typesetting import Layout

NAN = math.nan
SAMPLE = {
    **{"agreement": 0.3, "agreement_low": 0.25, "agreement_high": 0.35, "agreement_missing_low": 0.3},
    **{"agreement_missing_high": 0.3, "p": 0.01, "p_permutation": NAN, "p_holm": 0.01, "p_family": 1},
    **{"rho_k_low": 0.5, "noise_free_high": 0.4, "ceiling_n": 45, "k": 3, "n": 45, "space": "sampled"},
    **{"space_size": 252, "relation": "agrees", "error": "", "note": ""},
}
LOW = {**SAMPLE, "agreement": 0.05, "agreement_low": 0.0, "agreement_high": 0.1, "noise_free_high": 0.15}
LOW |= {"agreement_missing_low": 0.05, "agreement_missing_high": 0.05, "p_holm": 0.5, "relation": "none shown"}
OPPOSED = {**LOW, "noise_free_high": -0.01, "relation": "opposes"}
CENSUS = {"space": "enumerated", "p_permutation": 0.01}
ONCE = {"k": 1, "ceiling_n": 0, "rho_k_low": NAN, "noise_free_high": NAN}


@pytest.mark.parametrize(
    ("row", "found", "reason"),
    [
        (SAMPLE, "valid", "all of the interval of s lies above 0.2 and p < 0.05; it takes for granted"),
        (SAMPLE | CENSUS, "valid", "all of the interval of s lies above 0.2 and p < 0.05"),
        (SAMPLE | ONCE, "valid", "all of the interval"),
        (SAMPLE | {"relation": "none shown", "p": 0.05}, "undecided", "sample: s lies above 0.2, but unrelated filter"),
        (SAMPLE | {"relation": "none shown", "p_holm": 0.06}, "undecided", "sample: s lies above 0.2, but p < 0.05 by"),
        (SAMPLE | {"agreement_low": 0.2}, "undecided", "sample: the interval of s holds 0.2"),
        (SAMPLE | CENSUS | {"agreement_low": 0.2}, "undecided", "noise: retraining noise leaves both sides"),
        (SAMPLE | {"space": "unknown"}, "undecided", "sample: how the combinations were chosen is not known"),
        (SAMPLE | {"space": "part"}, "undecided", "incomplete: the first 45 of 252 combinations are no random sample"),
        (SAMPLE | {"space": "part", "space_size": None}, "undecided", "incomplete: the first 45 of an unknown number"),
        (SAMPLE | CENSUS | {"agreement_missing_low": 0.2}, "undecided", "incomplete: with the missing combinations s"),
        (LOW, "invalid", "even freed of retraining noise"),
        (LOW | {"noise_free_high": 0.2}, "invalid", "even freed of retraining noise"),
        (LOW | {"space": "unknown"}, "undecided", "sample: how the combinations were chosen is not known"),
        (LOW | {"noise_free_high": 0.21}, "undecided", "noise: retraining noise leaves both sides of 0.2 open"),
        (
            LOW | {"agreement_missing_high": 0.21},
            "undecided",
            "incomplete: with the missing",
        ),
        (
            LOW | {"rho_k_low": 0.0, "noise_free_high": NAN},
            "undecided",
            "noise: the repeats do not agree",
        ),
        (
            LOW | {"rho_k_low": NAN, "noise_free_high": NAN},
            "undecided",
            "noise: how well",
        ),
        (LOW | ONCE, "undecided", "no repeats: "),
        (LOW | ONCE | {"agreement_high": 0.3}, "undecided", "sample: the interval of s holds 0.2"),
        (SAMPLE | CENSUS | ONCE | {"agreement_low": NAN, "agreement_high": NAN}, "undecided", "no repeats: "),
        (OPPOSED, "inverse", "even freed of retraining noise, all of the interval lies below 0"),
        (OPPOSED | {"relation": "none shown"}, "invalid", "even freed of retraining noise"),
        (OPPOSED | {"noise_free_high": 0.01}, "invalid", "even freed of retraining noise"),
        (SAMPLE | {"agreement": NAN}, "undecided", "sample: tau is not defined"),
        (SAMPLE | {"agreement": NAN, "n": 1, "note": "statistics need 2"}, "undecided", "sample: statistics need 2"),
        (SAMPLE | {"error": "two losses"}, "undecided", "error: two losses"),
    ],
)
def test_verdict_says_what_it_rests_on_or_what_is_lacking(row, found, reason):
    word, sentence = verdict(row)
    assert word == found
    assert sentence.startswith(reason)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, "agrees"),
        ({"p_holm": 0.05}, "none shown"),
        ({"p_holm": NAN}, "none shown"),
        ({"agreement_missing_low": 0.0}, "none shown"),
        ({"agreement": -0.3, "agreement_missing_low": -0.3, "agreement_missing_high": -0.3}, "opposes"),
        ({"agreement": -0.3, "agreement_missing_low": -0.3, "agreement_missing_high": 0.0}, "none shown"),
    ],
)
def test_relation_needs_the_adjusted_p_and_a_sign_that_the_missing_cannot_turn(changes, found):
    assert relation(SAMPLE | changes) == found


def cells(**differing: list) -> pd.DataFrame:
    """Rows of the studies table: 3 settings for each metric and wiring."""
    rows = [
        {"metric": metric, "wiring": wiring, "layers": f"conv{i + 1}", "study": f"{wiring}{i}"}
        for metric in ("accuracy", "loss")
        for wiring in ("correct", "released_code")
        for i in range(3)
    ]
    return correlated(*rows).assign(**differing)


def test_family_is_the_settings_of_one_metric_and_wiring():
    p = [0.01, 0.02, 0.04, 0.03, 0.5, 0.001, 0.011, 0.012, 0.013, 0.2, math.nan, 0.04]
    table = judged(cells(p_permutation=p, p=math.nan))
    expected = [multipletests(p[start : start + 3], method="holm")[1] for start in (0, 3, 6)]
    assert table["p_holm"][:9].tolist() == pytest.approx(np.concatenate(expected).tolist())
    assert table["p_holm"][9:].tolist() == pytest.approx([0.2, math.nan, 0.08], nan_ok=True)
    assert table["p_family"].tolist() == [3] * 9 + [2] * 3


def test_dense_networks_are_replicates_and_no_further_settings():
    once = cells(p_permutation=[0.01, 0.02, 0.04] * 4)
    networks = [once.assign(pretrain_seed=seed, study=once["study"] + f"-{seed}") for seed in (0, 1, 2)]
    table = judged(pd.concat(networks, ignore_index=True))
    assert table["p_holm"].tolist() == pytest.approx([0.03, 0.04, 0.04] * 12)
    assert set(table["p_family"]) == {3}


def test_another_setting_of_several_networks_counts_by_its_largest_p():
    rows = [{"layers": "conv1", "study": "a"}, {"layers": "conv2", "study": "b"}, {"layers": "conv2", "study": "c"}]
    table = judged(correlated(*rows).assign(p_permutation=[0.02, 0.001, 0.03]))
    # beside conv1's 0.02 stands 0.03: 0.02 * 2; conv2's own stand beside conv1's: 0.001 * 2, then 0.03 after 0.02 * 2
    assert table["p_holm"].tolist() == pytest.approx([0.04, 0.002, 0.04])


def test_adjusted_is_the_permuted_p_where_there_is_one():
    table = judged(cells(p_permutation=[0.02, math.nan, 0.03] * 4, p=1e-9))
    assert table["p_holm"][:3].tolist() == pytest.approx([0.04, 3e-9, 0.04])
    assert table["p_used"][:3].tolist() == ["permutation", "scipy", "permutation"]


def test_verdict_of_validity_needs_the_adjusted_p():
    table = judged(cells(p_permutation=[0.001, 0.03, 0.04] * 4))
    assert table["verdict"][:3].tolist() == ["valid", "undecided", "undecided"]
    assert table["relation"][:3].tolist() == ["agrees", "none shown", "none shown"]
    assert table["reason"][1].endswith("not adjusted (Holm) for the 3 settings judged together")
    alone = judged(cells(p_permutation=0.03)[:1])
    assert (alone["verdict"][0], alone["p_holm"][0], alone["scope"][0]) == ("valid", 0.03, "one network")


@pytest.mark.parametrize("settings", [25, 101])
def test_large_table_of_strong_agreements_can_reject(settings):
    """1/2000 times 101 is above 0.05: more relabellings are drawn where the least p would decide nothing."""
    removed, runs = removed_filters(45), []
    for number in range(settings):
        world = additive(45, 1.0, 1.0, np.random.default_rng(number))
        columns = {"study": f"s{number}", "study_hash": "x", "setting_hash": f"{number}", "order": "lexicographic"}
        columns |= {"space_size": 45, "picked_by": None, "repeat": 0, "status": "ok", "wiring": "correct"}
        runs += [
            {**columns, "combo": i, "removed": removed[i], "pruned_train_loss": c, "final_test_loss": y}
            for i, (c, y) in enumerate(zip(world.score, world.truth, strict=True))
        ]
    table = correlate(pd.DataFrame(runs), draws=10, metric="loss")
    assert set(table["relation"]) == {"agrees"} and set(table["p_family"]) == {settings}
    assert (table["p_permutation"] <= 1 / 2000).mean() > 0.9


def simulated(world: str, r: float, rho: float, *, n: int = 45, k: int = 2, seed: int = 0, **space) -> pd.DataFrame:
    """The runs of one simulated study."""
    rng = np.random.default_rng(seed)
    made = WORLDS[world](n, r, rho, rng)
    finals = made.retrain(rng, k)
    removed = removed_filters(n) if world == "additive" else [{"conv1": [i]} for i in range(n)]
    common = {"study": "s", "study_hash": "x", "picked_by": None, "status": "ok"}
    common |= {"order": "sampled", "space_size": 10**6, "setting_hash": None}
    return pd.DataFrame(
        {**common, "combo": i, "removed": removed[i], "repeat": j}
        | {"pruned_train_loss": made.score[i], "final_test_loss": finals[i, j]}
        | space
        for i in range(n)
        for j in range(k)
    )


def answers(runs: pd.DataFrame) -> tuple[str, str]:
    row = correlate(runs, metric="loss", draws=200).iloc[0]
    return row["relation"], row["verdict"]


def test_identical_points_of_an_unknown_space_decide_nothing():
    for r in (0.95, 0.0, -0.95):
        runs = simulated("gaussian", r, 0.9)
        unknown = answers(runs.assign(order=None, space_size=None))
        assert unknown[1] == "undecided" and unknown[0] == answers(runs)[0]


def test_first_part_of_a_census_decides_nothing_whatever_it_shows():
    """40 of 252 combinations of a space in which they agree, oppose, or neither: what the whole says is not known."""
    whole = {"order": "lexicographic", "space_size": 252}
    for seed in range(10):
        runs = simulated("additive", 0.9, 0.9, n=252, seed=seed, **whole)
        relation, word = answers(runs[runs["combo"] < 40])
        assert (relation, word) == ("none shown", "undecided")


def test_noise_alone_has_no_agreement_without_the_noise():
    hidden = [correlate(simulated("gaussian", 0.0, 0.0, seed=seed), metric="loss", draws=200) for seed in range(20)]
    rows = pd.concat(hidden)
    unreliable = rows[rows["rho_k_low"] == 0]
    assert len(unreliable) >= 15
    assert unreliable[["noise_free", "noise_free_low", "noise_free_high"]].isna().all(axis=None)
    assert unreliable["note"].str.contains("nothing but noise").all() and set(unreliable["verdict"]) == {"undecided"}


def test_tally_counts_the_answers_of_settings_and_not_of_networks():
    rows = [{"study": f"s{i}", "layers": f"conv{i // 3}", "pretrain_seed": i % 3} for i in range(9)]
    table = correlated(*rows).assign(relation=["agrees"] * 6 + ["none shown"] * 3, verdict="undecided")
    three = [["s0", "s1", "s2"]]
    means = pd.DataFrame(
        {
            "metric": ["accuracy"],
            "studies": three,
            "relation": ["opposes"],
            "verdict": ["inverse"],
            "scope": ["3 networks"],
        }
    )
    assert tally(table, means.iloc[:0]) == {
        "accuracy": "6 of 9 settings agree; strong enough to choose by: 9 undecided; of one network each"
    }
    assert tally(table, means) == {
        "accuracy": "3 of 7 settings agree, 1 opposes; strong enough to choose by: 6 undecided, 1 inverse; "
        "1 of them of several networks"
    }
    assert tally(table[:1], means.iloc[:0]) == {}


def test_opposing_is_told_from_showing_nothing():
    assert answers(simulated("gaussian", -0.9, 0.9)) == ("opposes", "inverse")
    assert answers(simulated("gaussian", 0.0, 0.95, n=252, seed=1)) == ("none shown", "invalid")


def test_coefficients_have_the_sign_of_the_agreement():
    runs = simulated("gaussian", -0.9, 0.9)
    for column, sign in (("final_test_loss", -1), ("final_test_accuracy", 1)):
        runs["final_test_accuracy"] = 1 / (1 + np.exp(runs["final_test_loss"]))
        row = correlate(runs, metric=column.rpartition("_")[2], draws=10).iloc[0]
        assert sign == -1 or row["agreement"] < 0
        assert all(row[name] < 0 for name in ("agreement", "tau_a", "spearman", "pearson"))


def line(layout: Layout, name: str) -> list[str]:
    return next(list(row[2:]) for row in layout.rows if row and row[1] == name)


def test_grids_adjust_for_their_own_cells():
    table = cells(p=[0.01, 0.03, 0.04] * 4, p_permutation=[0.02, 0.02, math.nan] * 4)
    for grid in honest_grids(table):
        # Judged by 0.02, 0.02 and scipy's 0.04: 0.02 * 3, then no less.
        assert line(grid, "Holm p") == ["6.0e-02"] * 3
        assert "adjusted for the 3 cells of this table" in grid.notes[0]
    for grid in paper_grids(table):
        # Printed are scipy's: 0.01 * 3 < 0.05, 0.03 * 2 > 0.05, and 0.04 no less.
        assert [cell.endswith("‡") for cell in grid.rows[0][1:]] == [False, True, True]
        assert "adjusted (Holm) for the 3 cells of this table" in grid.notes[0]
