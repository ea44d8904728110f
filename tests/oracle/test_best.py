"""Branch and bound against the losses of all combinations."""

import pytest
import torch
from prunable_chains import images_of, made

from oraclecheck.oracle import best
from oraclecheck.oracle.best import Best, BestSearch, units_of
from oraclecheck.oracle.chain import ChainLosses, PrunedChain
from oraclecheck.oracle.images import by_class


def first_layer(chain, images):
    values = images.permute(1, 2, 3, 0).contiguous()
    for stage in chain.stages[: chain.pruned[0] + 1]:
        values = stage(values)
    return values


@pytest.mark.parametrize("case", ["the last hidden layer", "first and last", "three layers", "two layers", "odd maps"])
@pytest.mark.parametrize("wired", ["correct", "released"])
def test_best_combinations_are_those_of_the_whole_table(case, wired, monkeypatch, compiled):
    network, shape, space = made(case)
    monkeypatch.setattr(best, "FIRST", 3)
    monkeypatch.setattr(best, "BLOCK", 4)
    monkeypatch.setattr(best, "COLUMNS", 20)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= 2  # losses that differ
    behind = space.unrank(space.size // 2) if wired == "released" else None
    losses = ChainLosses(PrunedChain(network, shape, space.layers, behind))
    groups = list(by_class(images_of(shape, 120, 3), 60))
    table = sum(losses.sums(*group) for group in groups)
    chain = PrunedChain(network, shape, space.layers, behind)
    values = [torch.cat([first_layer(chain, images) for images, labels in groups if labels[0] == label], 3)
              for label in range(3)]  # fmt: skip
    top, found = 7, Best(7)
    search = BestSearch(chain, values, compiled if case == "first and last" else None)
    units = list(units_of(chain))
    computed = sum(search(unit, found) for unit in units)
    expected = table.sort(stable=True)
    assert list(found.found()) == expected.indices[:top].tolist()
    assert list(found.found().values()) == pytest.approx(expected.values[:top].tolist(), rel=1e-6)
    assert computed < 120 * space.size or len(units) == 1  # nothing bounds the first unit
