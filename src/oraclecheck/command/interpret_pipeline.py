"""From the configuration of a pipeline to its setting, with the epochs that it works out."""

from collections.abc import Callable
from typing import Any

from omegaconf import DictConfig

from oraclecheck.command.schema import PipelineConfig
from oraclecheck.engines.recipe import MOST, Recipe
from oraclecheck.study.setting import PipelineSetting, PretrainSetting

OPTIONS = {
    "one_shot": (),
    "during": ("epoch", "divide_by_speedup"),
    "scratch": ("budget", "dense_epochs"),
}
"""Pipeline -> its own keys."""

Macs = Callable[[str], tuple[int, int]]
"""Multiply-accumulates of the dense and of the pruned network, for the key that needs them."""


def interpret_pipeline(
    cfg: DictConfig, pretrain: PretrainSetting, retrain: Recipe, macs: Macs
) -> tuple[PipelineSetting, Recipe]:
    """A pipeline and the recipe that it trains pruned networks by.

    Args:
        cfg: The group `pipeline`.
        pretrain: Where the dense network comes from.
        retrain: The recipe that `retrain` gives.
        macs: See `Macs`.

    Raises:
        ValueError: If a key is missing, out of its range, or another pipeline's.
    """
    name = cfg.name.name
    _check_others(cfg, name)
    if name == "during":
        return _during(cfg, pretrain, macs), retrain
    if name == "scratch":
        return _scratch(cfg, pretrain, retrain, macs)
    return PipelineSetting(name), retrain


def _check_others(cfg: DictConfig, name: str) -> None:
    usual = vars(PipelineConfig())
    for owner, keys in OPTIONS.items():
        for key in keys if owner != name else ():
            if cfg[key] != usual[key]:
                value = getattr(cfg[key], "name", cfg[key])
                raise ValueError(f"pipeline.{key} must be left out unless pipeline={owner}; got {value}")


def _during(cfg: DictConfig, pretrain: PretrainSetting, macs: Macs) -> PipelineSetting:
    epochs = pretrain.recipe.epochs
    if pretrain.loads:
        raise ValueError(
            "pretrain.checkpoint and pretrain.weights must be null for pipeline=during, which trains the dense network "
            "to take it in mid-training"
        )
    if cfg.epoch is None or not 1 <= cfg.epoch <= epochs:
        raise ValueError(f"pipeline.epoch must lie in 1..{epochs}, the epochs of pretrain; got {cfg.epoch}")
    if not cfg.divide_by_speedup:
        return PipelineSetting("during", cfg.epoch)
    dense, pruned = macs("pipeline.divide_by_speedup")
    epoch = round(cfg.epoch * pruned / dense)
    worked_out = f"{cfg.epoch} / {dense / pruned:.2f} (the speed-up, {dense:,} / {pruned:,})"
    if epoch < 1:
        raise ValueError(f"pipeline.epoch must give at least one epoch once it is divided; got {worked_out}")
    told = f"the dense network is taken after {_epochs(epoch)}: {worked_out}"
    return PipelineSetting("during", epoch, told)


def _scratch(cfg: DictConfig, pretrain: PretrainSetting, retrain: Recipe, macs: Macs) -> tuple[PipelineSetting, Recipe]:
    dense_epochs: Any = cfg.dense_epochs
    if dense_epochs is None:
        if pretrain.loads:
            raise ValueError(
                "pipeline.dense_epochs must be given where the dense network is loaded; nobody knows for how many "
                "epochs it was trained: 0 trains by retrain alone"
            )
        dense_epochs = pretrain.recipe.epochs
    if not 0 <= dense_epochs <= MOST:
        raise ValueError(f"pipeline.dense_epochs must lie in 0..{MOST:,}; got {dense_epochs}")
    own, budget = retrain.epochs, cfg.budget.name
    if not dense_epochs:
        return PipelineSetting("scratch"), retrain
    if budget == "epochs":
        epochs, worked_out = dense_epochs + own, f"{dense_epochs} + {own}"
    else:
        dense, pruned = macs("pipeline.budget=flops")
        epochs = round((dense_epochs * dense + own * pruned) / pruned)
        worked_out = f"({dense_epochs} x {dense:,} + {own} x {pruned:,}) / {pruned:,}"
    told = f"networks are trained from scratch for {_epochs(epochs)}: {worked_out}"
    return PipelineSetting("scratch", told=told), retrain.scaled(epochs / own)


def _epochs(count: int) -> str:
    return f"{count} epoch{'s' * (count != 1)}"
