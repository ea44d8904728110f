"""Sums of filters' scores, by hand; and every additive criterion as one that picks."""

import inspect
import json
from itertools import combinations
from pathlib import Path

import pytest
import torch
from hydra.utils import get_object
from omegaconf import OmegaConf
from quick import QUICK

from oraclecheck.command.composition import CONF
from oraclecheck.command.stored_study import StoredStudy
from oraclecheck.criteria.additive import ADDITIVE, checked, combination_score, filter_scores
from oraclecheck.pruning.combination import LayerChoice


def test_scores_of_one_layer_are_added_as_they_are():
    assert combination_score({"a": torch.tensor([1.0, 2, 4])}, {"a": (0, 2)}) == 5


def test_scores_of_several_layers_are_divided_by_their_mean_magnitude():
    scores = {"a": torch.tensor([1.0, 2, 3]), "b": torch.tensor([-100.0, 300])}  # means of 2 and 200
    assert combination_score(scores, {"a": (0, 2), "b": (1,)}) == (1 + 3) / 2 + 300 / 200
    assert combination_score(scores, {"a": (1,), "b": (0,)}) == 2 / 2 - 100 / 200


def test_scores_of_other_layers_are_left_out():
    found = checked("mine", {"a": [1, 2.5], "b": torch.zeros(3)}, [LayerChoice("a", 2, 1)])
    assert list(found) == ["a"] and found["a"].tolist() == [1, 2.5] and found["a"].dtype == torch.float64


@pytest.mark.parametrize("path", sorted((CONF / "criterion").glob("*.yaml")), ids=lambda path: path.stem)
def test_configured_options_are_the_defaults(path):
    """A criterion that picks (`combo=taylor`) has the options that scoring has by default."""
    options = OmegaConf.to_container(OmegaConf.load(path))
    parameters = inspect.signature(get_object(options.pop("_target_"))).parameters.values()
    defaults = {each.name: each.default for each in parameters if each.default is not inspect.Parameter.empty}
    assert options == defaults
    assert path.read_text().startswith(f"# @package criterion.{path.stem}\n")


def test_every_additive_criterion_picks_what_has_the_least_score(command):
    picking = [name for name in ADDITIVE if name != "bn_scale"]  # LeNet5-Mini has no BatchNorm
    code, _, err = command(*QUICK, "logger=none", f'combo="{",".join(picking)}"', "pruning.ratio={conv1: 0.2}")
    assert code == 0, err
    (folder,) = Path("multirun").glob("lenet*/")
    study = StoredStudy.of(folder)
    for name in picking:
        record = json.loads((folder / name / "0" / "record.json").read_text())
        scores = filter_scores(name, ADDITIVE[name], study.network, study.data, study.setting.pruning.space.layers)
        every = {pair: combination_score(scores, {"conv1": pair}) for pair in combinations(range(10), 2)}
        assert record["picked_by"] == name and every[tuple(record["removed"]["conv1"])] == min(every.values())
