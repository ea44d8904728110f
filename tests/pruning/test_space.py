"""Spaces of combinations against itertools, sums of binomials, and a second writing of the sampled order."""

import hashlib
import itertools
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from oraclecheck.pruning.combination import LayerChoice
from oraclecheck.pruning.space import ENUMERATION_LIMIT, CombinationSpace

# Machines that are shared stall now and then, and no test here is about time.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")

VGG19_FILTERS = [64] * 2 + [128] * 2 + [256] * 4 + [512] * 8
VGG19_LAYERS = tuple(LayerChoice(f"features.{i}", n, n // 2) for i, n in enumerate(VGG19_FILTERS))
VGG19_SIZE = math.comb(64, 32) ** 2 * math.comb(128, 64) ** 2 * math.comb(256, 128) ** 4 * math.comb(512, 256) ** 8

CONV1 = CombinationSpace((LayerChoice("conv1", 10, 2),))


@st.composite
def small_layers(draw):
    count = draw(st.integers(1, 3))
    layers = []
    for number in range(count):
        filters = draw(st.integers(1, 6))
        layers.append(LayerChoice(f"conv{number}", filters, draw(st.integers(0, filters - 1))))
    return tuple(layers)


def enumerate_space(layers):
    """All combinations, straight from itertools."""
    per_layer = [itertools.combinations(range(layer.filters), layer.removed) for layer in layers]
    names = [layer.name for layer in layers]
    return [dict(zip(names, choice, strict=True)) for choice in itertools.product(*per_layer)]


def rank_by_binomials(layers, removed):
    """Lexicographic index of a combination, from sums of binomials alone.

    The rank of c_1 < ... < c_k among the k-subsets of n is C(n, k) - 1 - sum_i C(n - 1 - c_i, k + 1 - i).
    """
    index = 0
    for layer in layers:
        n, k = layer.filters, layer.removed
        behind = sum(math.comb(n - 1 - c, k - i) for i, c in enumerate(removed[layer.name]))
        index = index * math.comb(n, k) + math.comb(n, k) - 1 - behind
    return index


def single_layer(size, order, seed=0):
    """A space of exactly `size` combinations: one of `size` filters goes (none of one filter for size 1)."""
    return CombinationSpace((LayerChoice("conv1", size, 1 if size > 1 else 0),), order, seed)


# The space


@pytest.mark.parametrize(
    ("filters", "removed", "order"),
    [(10, 2, "lexicographic"), (1000, 1, "lexicographic"), (1001, 1, "sampled"), (64, 32, "sampled")],
)
def test_order_auto_enumerates_up_to_the_limit(filters, removed, order):
    assert ENUMERATION_LIMIT == 1000
    assert CombinationSpace.of([LayerChoice("conv1", filters, removed)]).order == order


@pytest.mark.parametrize("order", ["lexicographic", "sampled"])
def test_order_given_is_kept_with_the_seed(order):
    space = CombinationSpace.of([LayerChoice("conv1", 10, 2)], order, 7)
    assert (space.order, space.seed) == (order, 7)


def test_space_refuses_an_unknown_order_and_repeated_layers():
    layer = LayerChoice("conv1", 10, 2)
    with pytest.raises(ValueError, match=r"order must be lexicographic, sampled, or auto .*; got 'random'"):
        CombinationSpace.of([layer], "random")
    with pytest.raises(ValueError, match="layers must be named once each; got conv1 more than once"):
        CombinationSpace((layer, LayerChoice("conv1", 6, 2)))


@given(small_layers())
def test_size_is_the_number_of_combinations(layers):
    assert CombinationSpace(layers).size == len(enumerate_space(layers))


def test_size_of_the_papers_spaces():
    # 63,504 and 16,003,008 are the sizes of the paper's two- and three-layer LeNet5-Mini spaces at ratio 0.5.
    conv = [LayerChoice(f"conv{i}", 10, 5) for i in (1, 2, 3)]
    assert [CombinationSpace.of(conv[:n]).size for n in (1, 2, 3)] == [252, 63_504, 16_003_008]
    assert CombinationSpace.of(VGG19_LAYERS).size == VGG19_SIZE


# Lexicographic order


@given(small_layers())
@settings(max_examples=60)
def test_lexicographic_order_is_that_of_itertools(layers):
    space = CombinationSpace(layers)
    truth = enumerate_space(layers)
    assert [space.unrank(index) for index in range(len(truth))] == truth
    assert [rank_by_binomials(layers, removed) for removed in truth] == list(range(len(truth)))  # the tests' own
    assert list(space.unrank(0)) == [layer.name for layer in layers]


@st.composite
def wide_layer_and_combination(draw):
    filters = draw(st.integers(2, 80))
    chosen = draw(st.lists(st.integers(0, filters - 1), max_size=filters - 1, unique=True))
    return filters, tuple(sorted(chosen))


@given(wide_layer_and_combination())
def test_lexicographic_order_of_a_wide_layer_agrees_with_the_sum_of_binomials(case):
    filters, chosen = case
    space = CombinationSpace((LayerChoice("conv1", filters, len(chosen)),))
    assert space.unrank(rank_by_binomials(space.layers, {"conv1": chosen})) == {"conv1": chosen}


def test_lexicographic_order_of_a_giant_space_starts_and_ends_where_it_must():
    space = CombinationSpace(VGG19_LAYERS)
    first, last = space.unrank(0), space.unrank(VGG19_SIZE - 1)
    assert first == {layer.name: tuple(range(layer.filters // 2)) for layer in VGG19_LAYERS}
    assert last == {layer.name: tuple(range(layer.filters // 2, layer.filters)) for layer in VGG19_LAYERS}


@given(index=st.integers(0, VGG19_SIZE - 1))
@settings(max_examples=15)
def test_lexicographic_order_of_a_giant_space_agrees_with_the_sums_of_binomials(index):
    removed = CombinationSpace(VGG19_LAYERS).unrank(index)
    assert [len(filters) for filters in removed.values()] == [n // 2 for n in VGG19_FILTERS]
    assert rank_by_binomials(VGG19_LAYERS, removed) == index


# Sampled order


@pytest.mark.parametrize("seed", [0, 1, -5, 2**70])
def test_sampled_order_is_a_permutation_of_every_small_space(seed):
    for size in [*range(1, 70), 127, 128, 129, 255, 256, 257]:
        space = single_layer(size, "sampled", seed)
        visited = [space.unrank(index)["conv1"] for index in range(size)]
        assert sorted(visited) == ([(filter,) for filter in range(size)] if size > 1 else [()])


@given(small_layers(), st.integers())
@settings(max_examples=30)
def test_sampled_order_visits_every_combination_of_several_layers_once(layers, seed):
    space = CombinationSpace(layers, "sampled", seed)
    truth = enumerate_space(layers)
    visited = [space.unrank(index) for index in range(len(truth))]
    assert sorted(visited, key=truth.index) == truth
    assert [space.unrank(index) for index in reversed(range(len(truth)))] == visited[::-1]  # whoever asks, and when


@pytest.mark.parametrize("size", [2, 3, 4])
def test_sampled_order_reaches_every_arrangement_of_a_tiny_space_equally_often(size):
    seeds = 100 * math.factorial(size)
    counts = dict.fromkeys(itertools.permutations(range(size)), 0)
    for seed in range(seeds):
        space = single_layer(size, "sampled", seed)
        counts[tuple(space.unrank(index)["conv1"][0] for index in range(size))] += 1
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


def test_sampled_order_depends_on_the_seed_and_on_nothing_else():
    orders = []
    for seed in (0, 0, 1, 2, -1):
        space = CombinationSpace(VGG19_LAYERS[:2], "sampled", seed)
        orders.append([tuple(space.unrank(index).values()) for index in range(50)])
    assert orders[0] == orders[1]
    assert all(not set(a) & set(b) for a, b in itertools.combinations(orders[1:], 2))


def feistel_on_bit_strings(size, seed):
    """The permutation's definition written a second time, on strings of bits: a changed one renumbers every study."""
    half = next(h for h in itertools.count(1) if 4**h >= size)

    def scramble(bits, number):
        whole_bytes = bits.rjust(-(-half // 8) * 8, "0")
        packed = bytes(int(whole_bytes[i : i + 8], 2) for i in range(0, len(whole_bytes), 8))
        digest = hashlib.shake_256(f"{seed}/{number}/".encode("ascii") + packed).digest(len(packed))
        return "".join(f"{byte:08b}" for byte in digest)[:half]

    def walk(index):
        left, right = f"{index:0{2 * half}b}"[:half], f"{index:0{2 * half}b}"[half:]
        for number in range(10):
            flipped = scramble(right, number)
            left, right = right, "".join("01"[a != b] for a, b in zip(left, flipped, strict=True))
        image = int(left + right, 2)
        return image if image < size else walk(image)

    return walk


@pytest.mark.parametrize(("size", "seed"), [(1, 0), (3, 1), (252, 0), (1001, -7), (63_504, 2), (300_000, 12)])
def test_sampled_order_is_the_published_feistel_network(size, seed):
    walk = feistel_on_bit_strings(size, seed)
    # no layer may have 300,000 filters
    wide = (LayerChoice("a", 600, 1), LayerChoice("b", 500, 1))
    layers = single_layer(size, "lexicographic").layers if size < 300_000 else wide
    space, enumerated = CombinationSpace(layers, "sampled", seed), CombinationSpace(layers)
    for index in range(0, size, 1 + size // 20):
        assert space.unrank(index) == enumerated.unrank(walk(index))


@given(index=st.integers(0, VGG19_SIZE - 1))
@settings(max_examples=5)
def test_sampled_order_of_a_giant_space_is_the_published_feistel_network(index):
    removed = CombinationSpace(VGG19_LAYERS, "sampled", 3).unrank(index)
    assert rank_by_binomials(VGG19_LAYERS, removed) == feistel_on_bit_strings(VGG19_SIZE, 3)(index)


def test_sampled_order_is_the_same_in_every_process():
    program = (
        "from oraclecheck.pruning.space import CombinationSpace, LayerChoice\n"
        "space = CombinationSpace((LayerChoice('a', 64, 32), LayerChoice('b', 10, 5)), 'sampled', 11)\n"
        "print([space.unrank(index) for index in (999, 0, 5)])"
    )
    outputs = set()
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        outputs.add(done.stdout.strip())
    space = CombinationSpace((LayerChoice("a", 64, 32), LayerChoice("b", 10, 5)), "sampled", 11)
    assert outputs == {str([space.unrank(index) for index in (999, 0, 5)])}


UNIFORM_LAYERS = (LayerChoice("conv1", 20, 6), LayerChoice("conv2", 16, 8), LayerChoice("conv3", 30, 3))
UNIFORM_DRAWS = 2000


@pytest.fixture(scope="module", params=[0, 1, 2])
def first_draws(request):
    """The first 2000 combinations of about 2 * 10^12, for three seeds."""
    space = CombinationSpace(UNIFORM_LAYERS, "sampled", request.param)
    return [space.unrank(index) for index in range(UNIFORM_DRAWS)]


@pytest.mark.parametrize("layer", UNIFORM_LAYERS, ids=lambda layer: layer.name)
def test_sampled_order_removes_every_filter_equally_often(first_draws, layer):
    counts = [sum(i in removed[layer.name] for removed in first_draws) for i in range(layer.filters)]
    # Draws without replacement within a layer: the counts' covariance is N p (1-p) (I n - J) / (n - 1).
    p = layer.removed / layer.filters
    spread = UNIFORM_DRAWS * p * (1 - p) * layer.filters / (layer.filters - 1)
    statistic = sum((count - UNIFORM_DRAWS * p) ** 2 for count in counts) / spread
    # From above as well: counts that are too even are no sample either.
    assert 1e-3 < stats.chi2.sf(statistic, layer.filters - 1) < 1 - 1e-3


def test_sampled_order_removes_every_pair_of_filters_as_often_as_chance(first_draws):
    filters = [(layer, i) for layer in UNIFORM_LAYERS for i in range(layer.filters)]
    sets = {(layer.name, i): {d for d, r in enumerate(first_draws) if i in r[layer.name]} for layer, i in filters}
    together, chances = [], []
    for (a, i), (b, j) in itertools.combinations(filters, 2):
        within = a.removed * (a.removed - 1) / (a.filters * (a.filters - 1))
        chances.append(within if a is b else a.removed / a.filters * b.removed / b.filters)
        together.append(len(sets[a.name, i] & sets[b.name, j]))
    count = stats.binom(UNIFORM_DRAWS, np.array(chances))
    pvalues = np.minimum(1, 2 * np.minimum(count.cdf(together), count.sf(np.array(together) - 1)))
    assert pvalues.min() * len(pvalues) > 1e-3
    # Some pairs must deviate: 5 % of honest pairs have p < 0.05 (a little less, since counts are discrete).
    assert 0.02 < (pvalues < 0.05).mean() < 0.08


def test_sampled_order_is_unrelated_to_lexicographic_order(first_draws):
    size = CombinationSpace(UNIFORM_LAYERS).size
    ranks = [rank_by_binomials(UNIFORM_LAYERS, removed) / size for removed in first_draws]
    assert stats.spearmanr(range(UNIFORM_DRAWS), ranks).pvalue > 1e-3
    assert stats.spearmanr(ranks[:-1], ranks[1:]).pvalue > 1e-3
    assert stats.kstest(ranks, "uniform").pvalue > 1e-3
    # Low digits too: the last layer's combination is the rank modulo C(30, 3), here in 20 equal classes of 203.
    classes = [0] * 20
    for removed in first_draws:
        classes[rank_by_binomials(UNIFORM_LAYERS, removed) % math.comb(30, 3) // 203] += 1
    assert stats.chisquare(classes).pvalue > 1e-3


# Cost


def steps(function, *arguments):
    """Lines of Python that a call executes."""
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        count += event == "line"
        return trace

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        function(*arguments)
    finally:
        sys.settrace(previous)
    return count


@pytest.mark.parametrize("order", ["lexicographic", "sampled"])
def test_unrank_costs_the_same_early_and_late(order):
    # Averages over 50 neighbours, since the number of walks to get back into the space differs from index to index.
    space = CombinationSpace((LayerChoice("conv1", 40, 20), LayerChoice("conv2", 10, 5)), order)
    space.unrank(0)
    early = sum(steps(space.unrank, index) for index in range(50)) / 50
    late = sum(steps(space.unrank, index) for index in range(950, 1000)) / 50
    latest = sum(steps(space.unrank, index) for index in range(space.size - 50, space.size)) / 50
    assert max(early, late, latest) < 2 * min(early, late, latest)


def test_unrank_passes_once_over_the_filters_with_one_binomial_per_layer():
    # Once the sizes are known, 5504 filters cost a handful of lines each, and a binomial only where a layer begins.
    space = CombinationSpace(VGG19_LAYERS, "sampled")
    space.unrank(0)
    assert steps(space.unrank, 999) < 20 * sum(VGG19_FILTERS)
    binomials = 0

    def profile(frame, event, argument):
        nonlocal binomials
        binomials += event == "c_call" and argument is math.comb

    previous = sys.getprofile()
    sys.setprofile(profile)
    try:
        space.unrank(999)
    finally:
        sys.setprofile(previous)
    assert binomials <= len(VGG19_LAYERS)


def test_module_imports_neither_torch_nor_numpy():
    # Loaded by its path: importing the package proper may bring in what its other modules need.
    module = sys.modules[CombinationSpace.__module__].__file__
    program = f"import runpy, sys; runpy.run_path({module!r}); print({{'torch', 'numpy'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


# Refusals


@pytest.mark.parametrize("order", ["lexicographic", "sampled"])
@pytest.mark.parametrize("index", [45, -1, 10**9])
def test_unrank_refuses_an_index_outside_the_space(order, index):
    space = CombinationSpace(CONV1.layers, order)
    with pytest.raises(ValueError) as refusal:
        space.unrank(index)
    assert str(refusal.value) == f"combo must lie in 0..44 (the space has 45 combinations); got {index}"


def test_unrank_says_the_size_of_a_giant_space_briefly():
    magnitude = f"about 10^{round(sum(math.log10(math.comb(n, n // 2)) for n in VGG19_FILTERS))}"
    space = CombinationSpace(VGG19_LAYERS)
    for index, got in [(VGG19_SIZE, magnitude), (-1, "-1"), (-(10**6000), "about -10^6000")]:
        with pytest.raises(ValueError) as refusal:
            space.unrank(index)
        assert str(refusal.value) == f"combo must lie in 0..size-1 (the space has {magnitude} combinations); got {got}"


def test_unrank_refuses_what_is_not_an_integer():
    with pytest.raises(TypeError):
        CONV1.unrank(3.0)


def test_recorded_size_is_what_floats_and_json_can_hold():
    half = [LayerChoice(str(i), 64, 32) for i in range(20)]  # C(64, 32) is 1.8e18
    assert CombinationSpace(tuple(half[:16])).recorded_size == math.comb(64, 32) ** 16
    assert CombinationSpace(tuple(half)).recorded_size is None


@pytest.mark.parametrize(("filters", "removed", "seed"), [(10, 5, 0), (4, 2, 7), (3, 1, -1), (12, 6, 3)])
def test_place_of_a_sampled_combination_leads_back_to_its_index(filters, removed, seed):
    layers = (LayerChoice("conv1", filters, removed), LayerChoice("conv2", 5, 2))
    sampled, listed = CombinationSpace(layers, "sampled", seed), CombinationSpace(layers)
    for place in range(0, listed.size, 1 + listed.size // 300):
        assert sampled.unrank(sampled.index_at(place)) == listed.unrank(place)
        assert listed.index_at(place) == place
