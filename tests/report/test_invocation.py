import shlex

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from oraclecheck.cli import CONF
from oraclecheck.command import schema as config
from oraclecheck.report.invocation import sweep_command


def composed(*overrides):
    config.register()
    with initialize_config_dir(config_dir=str(CONF), version_base="1.3"):
        return OmegaConf.to_container(compose("config", overrides=list(overrides)), resolve=True, enum_to_str=True)


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["model=lenet5_mini", "data=mnist", "pruning.ratio={conv1: 0.2, conv2: 0.5}", "pretrain.seed=1"],
        ["model=vgg19", "retrain.lr='0: 1e-2, 3: 1e-3'", "pretrain.checkpoint='/a b/\"c\".ckpt'", "study=mine"],
        ["model=resnet56", "pruning.wiring=released_code", "retrain.fraction=0.1", "data.download=true"],
        ["data.root='/home/é'", "pretrain.fraction=0.5"],
    ],
)
def test_sweep_command_composes_the_configuration_it_came_from(overrides):
    wanted = composed(*overrides, "combo=7", "logger=none")
    words = shlex.split(sweep_command(wanted, [0, 1, 2], [0, 1]))
    assert words[:4] == ["python", "-m", "oraclecheck", "-m"] and words[-2:] == ["combo=range(3)", "repeat=range(2)"]
    found = composed(*words[4:-2])
    for key in ("combo", "logger"):
        del found[key], wanted[key]
    assert found == wanted


def test_sweep_command_lists_combinations_that_are_not_the_first():
    command = sweep_command(composed(), [3, 17], [0])
    assert shlex.split(command)[-1] == "combo=3,17"


def test_sweep_command_is_silent_where_it_cannot_be_sure():
    other = composed()
    other["model"]["name"] = "mine"
    newer = composed() | {"invented": 1}
    assert sweep_command(other, [0], [0]) == sweep_command(newer, [0], [0]) == sweep_command({}, [0], [0]) == ""


def test_sweep_command_is_silent_where_the_command_line_would_refuse_it():
    # rates of a file that shorter retraining does not reach: the command line may not spell them
    wanted = composed("model=vgg19", "retrain=lenet", "retrain.epochs=10")
    assert wanted["retrain"]["lr"] == "0: 1e-3, 20: 1e-4" and sweep_command(wanted, [0], [0]) == ""
    assert "retrain.epochs=10" in sweep_command(composed("model=vgg19", "retrain.epochs=10"), [0], [0])
