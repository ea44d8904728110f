"""The filter-permutation p: by hand, by brute force, and its size where filter effects are random."""

import math
from itertools import combinations, permutations, product

import numpy as np
import pytest
from scipy.stats import kendalltau
from simulation import additive, removed_filters

from oraclecheck.analysis.statistics.permutation import permutation_p, relabellings


def test_relabellings_are_those_of_the_filters():
    removed = [{"conv1": [i, j]} for i, j in combinations(range(4), 2)]
    found = {tuple(row) for row in relabellings(removed, 2000, seed=0)}
    index = {frozenset(r["conv1"]): i for i, r in enumerate(removed)}
    expected = {
        tuple(index[frozenset((p[i], p[j]))] for i, j in combinations(range(4), 2)) for p in permutations(range(4))
    }
    assert found == expected


def test_relabellings_permute_every_layer_on_its_own():
    removed = [{"conv1": [i], "conv2": [j]} for i, j in product(range(3), range(2))]
    found = {tuple(row) for row in relabellings(removed[::-1], 2000, seed=0)}
    index = {(r["conv1"][0], r["conv2"][0]): i for i, r in enumerate(removed[::-1])}
    expected = {
        tuple(index[p[r["conv1"][0]], q[r["conv2"][0]]] for r in removed[::-1])
        for p, q in product(permutations(range(3)), permutations(range(2)))
    }
    assert found == expected


def test_relabellings_refuse_less_than_a_whole_space():
    removed = [{"conv1": [i, j]} for i, j in combinations(range(4), 2)]
    with pytest.raises(ValueError, match="needs all 6 combinations, each once; got 5"):
        relabellings(removed[:2] + removed[3:], 10, seed=0)
    with pytest.raises(ValueError, match="needs all 6 combinations, each once; got 6"):
        relabellings([*removed[:5], removed[0]], 10, seed=0)


def test_combination_that_becomes_a_missing_one_is_in_no_pair():
    rng = np.random.default_rng(3)
    every = [{"conv1": list(pair)} for pair in combinations(range(5), 2)]
    score, final = rng.normal(size=(2, 10))
    there = [i for i in range(10) if i not in (2, 7)]
    removed = [every[i] for i in there]
    targets = relabellings(removed, 20_000, seed=0, size=10)
    index = {frozenset(every[i]["conv1"]): n for n, i in enumerate(there)}
    by_hand = {
        tuple(index.get(frozenset(p[f] for f in one["conv1"]), -1) for one in removed) for p in permutations(range(5))
    }
    assert {tuple(row) for row in targets} == by_hand

    def share(row):  # concordant minus discordant pairs, of those that can be compared
        surplus, pairs = 0, 0
        for i, j in combinations(range(8), 2):
            if row[i] >= 0 and row[j] >= 0:
                a, b = (score[there[row[i]]] - score[there[row[j]]]), (final[there[i]] - final[there[j]])
                surplus, pairs = surplus + np.sign(a * b), pairs + 1
        return abs(surplus) / pairs

    observed = share(range(8))
    extreme = sum(share(row) >= observed - 1e-12 for row in targets[:500])
    assert permutation_p(score[there], final[there], targets[:500]) == (1 + extreme) / 501


def test_relabellings_refuse_a_wrong_size():
    removed = [{"conv1": [i]} for i in range(5)]
    for size in (4, 6):
        with pytest.raises(ValueError, match="relabelling filters needs all 5 combinations"):
            relabellings(removed, 10, seed=0, size=size)


@pytest.mark.parametrize("digits", [0, 1, 8])
def test_p_counts_the_relabellings_with_a_tau_as_large(digits):
    rng = np.random.default_rng(0)
    score, final = rng.normal(size=(2, 45)).round(digits)
    targets = relabellings(removed_filters(45), 300, seed=1)
    observed = abs(kendalltau(score, final).statistic)
    taus = [abs(kendalltau(score[target], final).statistic) for target in targets]
    extreme = sum(tau >= observed - 1e-12 for tau in taus)
    assert permutation_p(score, final, targets) == (1 + extreme) / 301


def test_p_of_one_filter_each_is_that_of_independent_combinations():
    # With one filter removed, relabelling exchanges the combinations freely: the permutation test of tau itself.
    rng = np.random.default_rng(0)
    score, final = rng.normal(size=(2, 8))
    targets = relabellings([{"conv1": [i]} for i in range(8)], 1999, seed=0)
    assert permutation_p(score, final, targets) == pytest.approx(
        kendalltau(score, final, method="exact").pvalue, abs=0.03
    )


def test_p_ranks_infinite_outcomes_and_is_undefined_where_tau_is():
    targets = relabellings(removed_filters(45), 100, seed=1)
    score, final = np.random.default_rng(0).normal(size=(2, 45))
    infinite, large = final.copy(), final.copy()
    infinite[:5], large[:5] = math.inf, 1e9
    assert permutation_p(score, infinite, targets) == permutation_p(score, large, targets)
    assert math.isnan(permutation_p(np.ones(45), final, targets))


def rejections(n: int, networks: int, relabelled: int) -> tuple[float, float]:
    """Shares of networks with random, unrelated filter effects in which the p of either kind is below 0.05."""
    targets = relabellings(removed_filters(n), relabelled, seed=0)
    worlds = [additive(n, 0.0, 0.9, np.random.default_rng([seed, n])) for seed in range(networks)]
    of_filters = [permutation_p(world.score, world.truth, targets) < 0.05 for world in worlds]
    of_scipy = [kendalltau(world.score, world.truth).pvalue < 0.05 for world in worlds]
    return float(np.mean(of_filters)), float(np.mean(of_scipy))


def test_p_keeps_its_level_where_scipys_does_not():
    of_filters, of_scipy = rejections(45, networks=200, relabelled=199)
    assert 0.01 <= of_filters <= 0.10
    assert of_scipy > 0.25


@pytest.mark.slow
@pytest.mark.parametrize(("n", "least_of_scipy"), [(45, 0.33), (120, 0.5), (252, 0.65)])
def test_p_keeps_its_level_over_a_thousand_networks(n, least_of_scipy):
    of_filters, of_scipy = rejections(n, networks=1000, relabelled=499)
    assert 0.03 <= of_filters <= 0.07
    assert of_scipy > least_of_scipy
