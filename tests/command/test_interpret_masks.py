"""What `pruning.unstructured` may be."""

from typing import Any

import pytest
from omegaconf import OmegaConf

from oraclecheck.command.interpret_masks import interpret_masks
from oraclecheck.command.schema import PruningConfig
from oraclecheck.networks.lenet import LeNet5Mini
from oraclecheck.pruning.masks.space import MaskedLayer


def interpreted(**said: Any):
    changes: dict[str, Any] = {"scheme": "unstructured", "ratio": 0.9}
    for key, value in said.items():
        OmegaConf.update(cfg := OmegaConf.create(changes), key.replace("__", "."), value)
        changes = OmegaConf.to_container(cfg)
    return interpret_masks(OmegaConf.merge(OmegaConf.structured(PruningConfig), changes), LeNet5Mini())


def test_one_ratio_is_of_all_layers_that_are_matched():
    ratio, space = interpreted(unstructured__layers=["conv[12]", "classifier"], order_seed=3)
    assert ratio == {"conv1": 0.9, "conv2": 0.9, "classifier": 0.9}
    assert space.layers == (MaskedLayer("conv1", 250), MaskedLayer("conv2", 2500), MaskedLayer("classifier", 100))
    assert (space.ratio, space.noise, space.seed) == (0.9, (0.0,), 3)
    assert space.methods == ("uniform", "global", "outlier", "components")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"ratio": None}, "pruning.ratio must be one number between 0 and 1"),
        ({"ratio": 1}, "pruning.ratio must be one number between 0 and 1"),
        ({"ratio": {"conv1": 0.5}}, "pruning.ratio must be one number between 0 and 1"),
        ({"ratio": 0.9999}, "pruning.ratio must leave some of the 5,450 weights"),
        ({"ratio": 0.9995}, "pruning.ratio must be at most 0.999"),
        ({"unstructured__layers": []}, "got no pattern"),
        ({"unstructured__layers": ["fc"]}, "must match convolutions or linear layers of the network; got 'fc'"),
        (
            {"unstructured__methods": ["globl"]},
            "uniform, global, outlier, components, random; got 'globl': did you mean",
        ),
        ({"unstructured__methods": ["global", "global"]}, "must name at least one, and each once"),
        ({"unstructured__noise": [0.0, -0.1]}, r"pruning.unstructured.noise must lie in [0, 10]; got -0.1"),
        ({"unstructured__noise": [float("nan")]}, r"pruning.unstructured.noise must lie in [0, 10]; got nan"),
        ({"unstructured__noise": []}, "pruning.unstructured.noise must name at least one"),
        ({"unstructured__variance": 2.0}, "pruning.unstructured.variance must lie in (0, 1]; got 2.0"),
        ({"unstructured__outlier": 0.0}, "pruning.unstructured.outlier must be positive; got 0.0"),
        ({"unstructured__spread": -1.0}, "pruning.unstructured.spread must lie in [0, 0.5]; got -1.0"),
        ({"unstructured__blocks": "("}, "pruning.unstructured.blocks must be a regular expression; got '('"),
        ({"wiring": "released_code"}, "pruning.wiring must be correct where pruning.scheme is unstructured"),
        ({"order": "lexicographic"}, "pruning.order must be auto where pruning.scheme is unstructured"),
    ],
)
def test_bad_values_are_one_sentence(said, reason):
    with pytest.raises(ValueError) as caught:
        interpreted(**said)
    assert reason in str(caught.value) and "\n" not in str(caught.value)


def test_a_ratio_that_only_blocks_cannot_reach_is_fine_for_other_methods():
    _, space = interpreted(ratio=0.9995, unstructured__methods=["global", "random"])
    assert space.ratio == 0.9995
