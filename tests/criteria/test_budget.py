"""A global threshold: against all ways to share out the budget."""

import itertools

import pytest
import torch

from oraclecheck.criteria.additive import combination_score
from oraclecheck.criteria.budget import removed_by_threshold
from oraclecheck.criteria.pick import least
from oraclecheck.pruning.combination import LayerChoice

LAYERS = (LayerChoice("a", 4, 1), LayerChoice("b", 3, 1), LayerChoice("c", 5, 1))


@pytest.mark.parametrize("ratio", [0.1, 0.25, 0.5, 0.75])
def test_no_other_choice_of_as_many_filters_has_a_smaller_sum(ratio):
    generator = torch.Generator().manual_seed(int(100 * ratio))
    scores = {layer.name: torch.rand(layer.filters, generator=generator).double() ** 3 for layer in LAYERS}
    removed = removed_by_threshold(scores, LAYERS, ratio)
    wanted = -(-12 * ratio // 1)
    assert sum(removed.values()) == wanted and all(removed[layer.name] < layer.filters for layer in LAYERS)

    def cost(counts):
        choices = [LayerChoice(each.name, each.filters, n) for each, n in zip(LAYERS, counts, strict=True)]
        return combination_score(scores, least(scores, choices))

    shared = itertools.product(*(range(layer.filters) for layer in LAYERS))
    best = min(cost(counts) for counts in shared if sum(counts) == wanted)
    assert cost(tuple(removed.values())) == pytest.approx(best)


def test_a_layer_of_small_scores_keeps_a_filter():
    scores = {"a": torch.tensor([1.0, 1.0, 1.0, 97.0]), "b": torch.tensor([5.0, 6.0, 7.0]), "c": torch.ones(5)}
    removed = removed_by_threshold({k: v.double() for k, v in scores.items()}, LAYERS, 0.75)
    assert removed["a"] == 3 and sum(removed.values()) == 9
    with pytest.raises(ValueError, match=r"in each of 3 layers; a ratio of 0\.9 removes 11 of 12 filters"):
        removed_by_threshold({k: v.double() for k, v in scores.items()}, LAYERS, 0.9)
