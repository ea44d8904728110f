"""From the configuration of a pipeline to its setting, with the epochs that it works out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from omegaconf import DictConfig

from oraclecheck.command.interpret_data import plain
from oraclecheck.command.schema import PipelineConfig
from oraclecheck.engines.recipe import MOST, Recipe
from oraclecheck.engines.schedule import parse_schedule
from oraclecheck.pruning.combination import LayerChoice, removed_count
from oraclecheck.pruning.layers import is_number
from oraclecheck.study.setting import PipelineSetting, PretrainSetting

OPTIONS = {
    "one_shot": (),
    "iterative": ("rounds",),
    "during": ("epoch", "divide_by_speedup"),
    "scratch": ("budget", "dense_epochs"),
}
"""Pipeline -> its own keys."""

Macs = Callable[[str], tuple[int, int]]
"""Multiply-accumulates of the dense and of the pruned network, for the key that needs them."""


RoundRecipe = Callable[[str, Mapping[str, Any]], Recipe]
"""The recipe of a round: of its key, for messages, and of what it says in place of `retrain`."""

MOST_ROUNDS = 1000


def interpret_pipeline(
    cfg: DictConfig,
    pretrain: PretrainSetting,
    retrain: Recipe,
    macs: Macs,
    counts: Mapping[str, tuple[int, ...]],
    round_recipe: RoundRecipe,
    lr: str,
) -> tuple[PipelineSetting, Recipe]:
    """A pipeline and the recipe that it trains pruned networks by.

    Args:
        cfg: The group `pipeline`.
        pretrain: Where the dense network comes from.
        retrain: The recipe that `retrain` gives.
        macs: See `Macs`.
        counts: What `removed_in_rounds` gives.
        round_recipe: See `RoundRecipe`.
        lr: The schedule that `retrain.lr` says, which a rule gives again for other epochs.

    Raises:
        ValueError: If a key is missing, out of its range, or another pipeline's.
    """
    name = cfg.name.name
    _check_others(cfg, name)
    if name == "during":
        return _during(cfg, pretrain, macs), retrain
    if name == "scratch":
        return _scratch(cfg, pretrain, retrain, macs, lr)
    if name == "iterative":
        recipes = [round_recipe(f"pipeline.rounds.{i}", said) for i, said in enumerate(_rounds(cfg))]
        return PipelineSetting(name, rounds=tuple(recipes), counts=dict(counts)), recipes[-1]
    return PipelineSetting(name), retrain


def check_shapes(pipeline: PipelineSetting) -> None:
    """Refuse, with a ValueError, a pipeline whose networks an engine that stacks them cannot retrain."""
    if pipeline.name == "iterative":
        raise ValueError(
            "engine must be lightning or lanes for pipeline=iterative, whose networks change their shape in every "
            "round; got stacked"
        )


def removed_in_rounds(
    cfg: DictConfig, ratio: Mapping[str, float], layers: Sequence[LayerChoice]
) -> dict[str, tuple[int, ...]]:
    """Layer -> filters that each round of an iterative pipeline removes; nothing for another pipeline.

    After every round as many are gone in all as pruning at once would remove at the ratio reached.

    Args:
        cfg: The group `pipeline`.
        ratio: Layer -> pruning ratio.
        layers: The prunable layers.

    Raises:
        ValueError: If the rounds do not add up to the pruning ratio, or one removes nothing.
    """
    if cfg.name.name != "iterative":
        return {}
    rounds = _rounds(cfg)
    shares = [said.get("ratio") for said in rounds]
    if any(share is None for share in shares) != all(share is None for share in shares):
        raise ValueError("pipeline.rounds must give every round its ratio, or none; some have one")
    counts = {}
    for layer in layers:
        whole = ratio[layer.name]
        of_layer = [whole / len(rounds) if share is None else share for share in shares]
        if abs(sum(of_layer) - whole) > 1e-9:
            raise ValueError(
                f"pipeline.rounds must add up to pruning.ratio; their ratios make {sum(of_layer):g} of the filters, "
                f"where {layer.name} loses {whole:g}"
            )
        reached = [removed_count(layer.filters, sum(of_layer[: i + 1])) for i in range(len(rounds) - 1)]
        gone = [0, *reached, layer.removed]
        counts[layer.name] = tuple(after - before for before, after in pairwise(gone))
    for i in range(len(rounds)):
        if not any(of_layer[i] for of_layer in counts.values()):
            raise ValueError(
                f"pipeline.rounds must each remove a filter; round {i + 1} of {len(rounds)} removes none of "
                f"{sum(layer.filters for layer in layers):,}: take fewer rounds"
            )
    return counts


def _rounds(cfg: DictConfig) -> list[dict[str, Any]]:
    """What `pipeline.rounds` says of each round."""
    rounds = plain(cfg.rounds)
    rule = 'pipeline.rounds must be how many there are, or a list such as [{ratio: 0.1, epochs: 15, lr: "0: 1e-3"}]'
    if isinstance(rounds, int) and not isinstance(rounds, bool) and 1 <= rounds <= MOST_ROUNDS:
        return [{} for _ in range(rounds)]
    if not isinstance(rounds, list) or not 1 <= len(rounds) <= MOST_ROUNDS:
        raise ValueError(f"{rule}; got {rounds!r}")
    for said in rounds:
        if not isinstance(said, dict) or not said.keys() <= {"ratio", "epochs", "lr"}:
            raise ValueError(f"{rule}; got {said!r}")
        share, epochs, lr = (said.get(key) for key in ("ratio", "epochs", "lr"))
        if (
            not (share is None or (is_number(share) and 0 < share < 1))
            or not (epochs is None or type(epochs) is int)
            or not (lr is None or isinstance(lr, str))
        ):
            raise ValueError(f"{rule}; got {said!r}")
    return rounds


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
    return PipelineSetting("during", epoch, told=told)


def _scratch(
    cfg: DictConfig, pretrain: PretrainSetting, retrain: Recipe, macs: Macs, lr: str
) -> tuple[PipelineSetting, Recipe]:
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
    if epochs > MOST:
        raise ValueError(f"pipeline.budget must give at most {MOST:,} epochs; got {epochs:,}: {worked_out}")
    longer = retrain.scaled(epochs / own)
    if lr.strip().startswith("halving"):
        longer = replace(longer, schedule=parse_schedule("retrain.lr", lr, epochs, cut_off=False))
    rates = ", ".join(f"{epoch}: {rate:g}" for epoch, rate in longer.schedule)
    told = f"networks are trained from scratch for {_epochs(epochs)}: {worked_out}; rates by epoch: {rates}"
    return PipelineSetting("scratch", told=told), longer


def _epochs(count: int) -> str:
    return f"{count} epoch{'s' * (count != 1)}"
