"""Spaces of iterative pruning, against every ordered partition that there is."""

import math
from itertools import combinations, islice, product

import pytest

from oraclecheck.pruning.combination import LayerChoice
from oraclecheck.pruning.rounds import NestedSpace, renumbered


def sequences(filters: int, counts: tuple[int, ...], left: frozenset[int] | None = None):
    """Every way to remove so many filters in each round, the last round varying fastest."""
    left = frozenset(range(filters)) if left is None else left
    if not counts:
        yield ()
        return
    for gone in combinations(sorted(left), counts[0]):
        for rest in sequences(filters, counts[1:], left - set(gone)):
            yield (*gone, *rest)


def test_space_of_one_layer_is_every_ordered_partition_once():
    space = NestedSpace((LayerChoice("a", 6, 4),), rounds={"a": (1, 2, 1)})
    found = [space.unrank(index)["a"] for index in range(space.size)]
    assert found == list(sequences(6, (1, 2, 1)))
    assert space.size == math.factorial(6) // (1 * 2 * 1 * 2) == len(set(found))  # a multinomial: 1, 2, 1 and 2 left


def test_space_of_several_layers_is_their_product():
    layers = (LayerChoice("a", 4, 2), LayerChoice("b", 3, 2))
    space = NestedSpace(layers, rounds={"a": (1, 1), "b": (2, 0)})
    expected = product(sequences(4, (1, 1)), sequences(3, (2, 0)))
    assert [tuple(space.unrank(index).values()) for index in range(space.size)] == list(expected)
    assert space.size == 12 * 3


def test_sampled_sequences_are_distinct_whatever_the_size():
    """ResNet50's 32 layers, five rounds of a tenth: prefix-stable and without listing anything."""
    layers = tuple(LayerChoice(f"layer{i}", 64, 32) for i in range(32))
    counts = {layer.name: (7, 6, 7, 6, 6) for layer in layers}
    space = NestedSpace(layers, "sampled", 3, counts)
    multinomial = math.factorial(64) // math.prod(map(math.factorial, (7, 6, 7, 6, 6, 32)))
    assert space.size == multinomial**32
    found = {tuple(space.unrank(index).items()) for index in range(20)}
    assert len(found) == 20
    small = NestedSpace((LayerChoice("a", 5, 3),), "sampled", 0, {"a": (1, 2)})
    everything = [small.unrank(index)["a"] for index in range(small.size)]
    assert sorted(everything) == sorted(sequences(5, (1, 2))) and everything != sorted(everything)
    assert list(islice((small.unrank(index)["a"] for index in range(30)), 7)) == everything[:7]


def test_rounds_are_nested_and_told_apart():
    space = NestedSpace((LayerChoice("a", 6, 4), LayerChoice("b", 4, 1)), rounds={"a": (1, 2, 1), "b": (0, 0, 1)})
    removed = {"a": (4, 0, 5, 2), "b": (3,)}
    assert space.split(removed) == [{"a": (4,), "b": ()}, {"a": (0, 5), "b": ()}, {"a": (2,), "b": (3,)}]
    assert space.flaw(removed) is None
    assert space.flaw({"a": [4, 5, 0, 2], "b": [3]}) == "a"


@pytest.mark.parametrize("gone", [{}, {"a": ()}, {"a": (0, 4)}])
def test_filters_are_counted_without_those_that_went_before(gone):
    left = [each for each in range(7) if each not in gone.get("a", ())]
    expected = {"a": tuple(left.index(each) for each in (1, 3, 6))}
    assert renumbered({"a": (1, 3, 6)}, gone) == expected


def test_every_round_has_a_shape():
    space = NestedSpace((LayerChoice("a", 6, 3), LayerChoice("b", 4, 1)), rounds={"a": (1, 2), "b": (0, 1)})
    assert space.shapes() == [{"a": (0,)}, {"a": (0, 1, 2), "b": (0,)}]
