"""Composed configurations against those of Hydra's own loader, which knows nothing of what was composed before."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig

from oraclecheck.command import schema
from oraclecheck.command.composition import CONF, initialised

COMMANDS = [
    [],
    ["retrain.epochs=3", "combo='0-9'", "pruning.ratio={conv1: 0.2}", "hydra.launcher.n_jobs=3"],
    ["retrain.epochs=4", "pruning.ratio={conv2: 0.3}", "hydra.job.env_copy=[HOME]"],
    ["model=vgg19", "data=cifar10", "+model.network.width=4", "logger=none"],
    ["model=vgg19", "data=cifar10", "++model.network.width=8", "logger=none", "hydra/launcher=basic"],
    ["experiment=confusing_table4", "row=null", "~logger"],
]


@pytest.fixture(autouse=True)
def registered():
    schema.register()


def composed(overrides: list[str], run_mode: RunMode = RunMode.RUN) -> DictConfig:
    cfg = GlobalHydra.instance().config_loader().load_configuration("config", overrides, run_mode)
    cfg.hydra.job.name = "the same"
    return cfg


def test_configurations_are_those_of_hydras_own_loader():
    for overrides in COMMANDS:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            expected = composed(overrides)
        for _ in range(2):  # as files have them, and as they are remembered
            with initialised():
                found = composed(overrides)
            assert found == expected and found._metadata.flags == expected._metadata.flags, overrides


def test_sweep_is_composed_as_hydras_own_loader_composes_it():
    overrides = ["model=vgg19,resnet56", "seed=0,1", "data=cifar10"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        expected = composed(overrides, RunMode.MULTIRUN)
    with initialised():
        assert composed(overrides, RunMode.MULTIRUN) == expected
        with pytest.raises(HydraException, match="Ambiguous value"):
            composed(overrides)


def test_configuration_of_a_launcher_that_was_imported_twice_is_composed_all_the_same():
    """In a worker of submitit's: Hydra looks for plugins again, and makes other classes of the same name."""

    @dataclass
    class Queue:
        _target_: str = "launcher.Launcher"

    Queue.__qualname__ = "Queue"  # a class that is not found under its name cannot be pickled
    ConfigStore.instance().store(group="hydra/launcher", name="imported_twice", node=Queue, provider="a plugin")
    try:
        for _ in range(2):
            with initialised():
                assert composed(["hydra/launcher=imported_twice"]).hydra.launcher._target_ == "launcher.Launcher"
    finally:
        del ConfigStore.instance().repo["hydra"]["launcher"]["imported_twice.yaml"]


def test_what_is_set_in_one_configuration_is_in_no_other():
    with initialised():
        first = composed([])
        first.model.input_shape[0] = 7
        first.hydra.job.env_copy.append("NEW")
        second = composed([])
    assert second.model.input_shape[0] == 1 and not second.hydra.job.env_copy


def test_files_that_change_come_or_go_are_seen():
    mine = Path("conf/mine")
    mine.mkdir(parents=True)

    def seed(*more: str) -> int:
        with initialised("conf"):
            return compose("config", overrides=["+mine=it", *more]).seed

    mine.joinpath("it.yaml").write_text("# @package _global_\nseed: 1\n")
    assert seed() == 1 and seed() == 1 and seed("seed=5") == 5
    mine.joinpath("it.yaml").write_text("# @package _global_\nseed: 23\n")
    assert seed() == 23
    mine.joinpath("it.yaml").write_text("# @package _global_\ndefaults: [other]\n")
    mine.joinpath("other.yaml").write_text("# @package _global_\nseed: 4\n")
    assert seed() == 4
    mine.joinpath("other.yaml").write_text("# @package _global_\nseed: 56\n")
    assert seed() == 56
    mine.joinpath("it.yaml").unlink()
    with pytest.raises(HydraException, match="mine/it"):
        seed()
