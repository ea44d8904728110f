"""The numbers of unstructured combinations, and how they are said."""

import json

import pytest
import torch

from oraclecheck.pruning.combination import spell_removed
from oraclecheck.pruning.masks.choice import choice_flaw, is_mask_choice
from oraclecheck.pruning.masks.layers import masked_layers
from oraclecheck.pruning.masks.packed import keep_masks, mask_hash, read_masks
from oraclecheck.pruning.masks.space import MaskedLayer, MaskSpace

LAYERS = (MaskedLayer("a", 30), MaskedLayer("b", 70))


def space(methods=("uniform", "global"), noise=(0.0, 0.1, 1.0), **options):
    return MaskSpace(LAYERS, 0.5, methods, noise, **options)


def test_numbers_begin_with_the_methods_and_go_round_all_strengths_of_noise():
    names = [(choice["method"], choice["noise"]) for choice in map(space().unrank, range(10))]
    cells = [("uniform", 0.1), ("global", 0.1), ("uniform", 1.0), ("global", 1.0)]
    assert names == [("uniform", 0.0), ("global", 0.0), *cells, *cells]


def test_every_combination_that_is_drawn_has_a_seed_of_its_own():
    seeds = [space().unrank(index)["seed"] for index in range(2, 502)]
    assert len(set(seeds)) == 500
    assert space().unrank(1)["seed"] is None
    assert space(seed=1).unrank(2)["seed"] != seeds[0]


def test_a_draw_does_not_depend_on_which_others_there_are():
    few, more = space(noise=(0.1,)), space(("global", "random", "uniform"), (0.0, 0.1, 0.2))
    assert few.unrank(1) == next(choice for choice in map(more.unrank, range(9)) if choice == few.unrank(1))


def test_any_index_costs_the_same_and_none_is_beyond_the_last():
    drawn = space()
    assert (drawn.order, drawn.recorded_size, drawn.size) == ("sampled", None, 2 + 4 * 2**63)
    assert drawn.unrank(drawn.size - 1)["method"] == "global"
    for index in (-1, drawn.size):
        with pytest.raises(ValueError, match="combo must lie in"):
            drawn.unrank(index)


def test_methods_alone_are_a_census():
    exact = space(noise=(0.0,))
    assert (exact.order, exact.recorded_size, exact.size) == ("lexicographic", 2, 2)
    assert space(("random",), (0.0,)).order == "sampled"


def test_a_space_is_made_again_of_its_definition():
    made = space(seed=7)
    again = MaskSpace.of_definition({"a": 30, "b": 70}, 0.5, made.definition, 7)
    assert again == made
    assert again.unrank(123) == made.unrank(123)


def test_a_choice_is_said_in_words_and_checked():
    choice = {**space().unrank(3), "mask": "0f3a9c21" * 8}
    assert is_mask_choice(choice)
    assert not is_mask_choice({"conv1": (1, 2)})
    assert not is_mask_choice({"method": [1, 2]})  # a layer that is called so
    assert spell_removed(choice) == "weights by global, noise 0.1, mask 0f3a9c21"
    assert spell_removed(space().unrank(0)) == "weights by uniform"
    assert choice_flaw(choice) is None
    for name, wrong in (("noise", -1.0), ("noise", True), ("seed", 0.5), ("seed", -1), ("mask", "0f3a"), ("more", 1)):
        assert choice_flaw({**choice, name: wrong})
    assert choice_flaw({"method": "global"})


def test_masks_are_kept_as_bits_and_read_back(tmp_path):
    weights = {"a": torch.randn(3, 10), "b": torch.randn(7, 2, 5)}
    masks = space().masks(weights, space().unrank(3))
    sha = keep_masks(tmp_path / "1" / "masks.json", masks)
    again = read_masks(tmp_path / "1" / "masks.json")
    assert sha == mask_hash(again) == mask_hash(dict(reversed(masks.items())))
    assert all(torch.equal(again[name], masks[name]) for name in masks)
    assert keep_masks(tmp_path / "1" / "masks.json", masks) == sha
    with pytest.raises(ValueError, match="must be the same wherever they are made"):
        keep_masks(tmp_path / "1" / "masks.json", {**masks, "a": ~masks["a"]})
    content = json.loads((tmp_path / "1" / "masks.json").read_text())
    content["layers"]["a"]["shape"] = [10, 3]
    (tmp_path / "1" / "masks.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="masks of its SHA-256"):
        read_masks(tmp_path / "1" / "masks.json")


def test_layers_are_matched_by_whole_names_in_the_order_of_the_network():
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Linear(4, 5))
    assert masked_layers(network, [".*"]) == (MaskedLayer("0", 18), MaskedLayer("2", 20))
    assert masked_layers(network, ["2", "2|1"]) == (MaskedLayer("2", 20),)
    with pytest.raises(ValueError, match=r"pruning.unstructured.layers must match.*got '1'"):
        masked_layers(network, ["0", "1"])
    with pytest.raises(ValueError, match="must name layers or match them"):
        masked_layers(network, ["("])
    network.append(network[2])
    assert len(masked_layers(network, [".*"])) == 2
    network[3] = torch.nn.Linear(4, 5)
    network[3].weight = network[2].weight
    with pytest.raises(ValueError, match="2 and 3 share theirs"):
        masked_layers(network, [".*"])
