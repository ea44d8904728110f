"""Sizes of LeNet5-Mini and its variants, as composed from the configuration."""

import pytest
import torch
from hydra import compose
from hydra.utils import instantiate

from oraclecheck.command import schema as config
from oraclecheck.command.composition import initialised
from oraclecheck.networks.lenet import LeNet5Mini
from oraclecheck.networks.shadow import parameters_and_macs
from oraclecheck.pruning.structured import prune


@pytest.mark.parametrize(
    ("model", "parameters", "macs"),
    [
        ("lenet5_mini", 5500, 448700),
        ("lenet5_mini_w20", 8260, 894700),
        ("lenet5_mini_w30", 11020, 1340700),
        ("lenet5_mini_w40", 13780, 1786700),
        ("lenet5_mini_d6", 5610, 448800),
        ("lenet5_mini_d7", 5720, 448900),
        ("lenet5_mini_d8", 5830, 449000),
    ],
)
def test_parameters_and_macs_are_the_papers(model, parameters, macs):
    config.register()
    with initialised():
        cfg = compose("config", overrides=[f"model={model}", "data=mnist"])
    network = instantiate(cfg.model.network)
    assert parameters_and_macs(network, cfg.model.input_shape) == (parameters, macs)
    assert cfg.model.name == model and cfg.retrain.lr == "0: 1e-3, 20: 1e-4" and cfg.pretrain.epochs == 30


def test_pruned_size_is_the_papers():
    pruned = prune(LeNet5Mini(), {"conv1": (0, 2, 4, 6, 8)}, torch.zeros(1, 1, 32, 32))
    assert parameters_and_macs(pruned, (1, 32, 32)) == (4120, 225700)


def test_counting_computes_nothing_and_changes_nothing():
    network = LeNet5Mini()
    before = network.conv1.weight.clone()
    parameters_and_macs(network, (1, 32, 32))
    assert network.training and network.conv1.weight.device.type == "cpu" and torch.equal(network.conv1.weight, before)
