"""From a composed configuration to a setting: values as Python has them, each within its key's rule."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from omegaconf import DictConfig
from torch import nn

from oraclecheck.interpret_data import interpret_preparation, interpret_source, plain
from oraclecheck.networks.shadow import shadow_network
from oraclecheck.pruning.combination import CombinationSpace, LayerChoice, parse_set
from oraclecheck.pruning.layers import LayerPattern, layer_choices, resolve_ratio
from oraclecheck.pruning.width import width_choices
from oraclecheck.records.wandb import WandbSettings
from oraclecheck.setting import CRITERIA, Setting
from oraclecheck.training.recipe import Recipe, parse_recipe
from oraclecheck.training.trainer import TrainerSettings

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")  # those that leave the weights, and so the evaluation, in float32

MOST_LAYERS_IN_LABEL = 4  # more would make folder names unreadable


def interpret(cfg: DictConfig, given: Collection[str] = ()) -> Setting:
    """The setting of a composed configuration.

    Args:
        cfg: The configuration.
        given: Keys that the command line itself gives, where that is known: rates that are written there must be
            reached, while those of a file are cut off where the command line trains for fewer epochs.

    Raises:
        ValueError: If a value breaks its key's rule; one sentence that names the key.
    """
    source = interpret_source(cfg)
    network = plain(cfg.model.network)
    shadow = shadow_network(network)
    scheme, wiring = cfg.pruning.scheme.name, cfg.pruning.wiring.name
    ratio, layers = _layers(cfg, shadow, scheme)
    _check_ranges(cfg)
    logger = cfg.logger
    return Setting(
        stage=cfg.stage.name,
        label=_label(cfg, ratio, scheme, wiring),
        model=cfg.model.name,
        network=network,
        input_shape=tuple(cfg.model.input_shape),
        channels_last=cfg.model.channels_last,
        data=cfg.data.name,
        source=source,
        preparation=interpret_preparation(cfg, source),
        classes=cfg.data.classes,
        ratio=ratio,
        space=CombinationSpace.of(layers, cfg.pruning.order.name, cfg.pruning.order_seed),
        scheme=scheme,
        wiring=wiring,
        combinations=parse_set(cfg.combo, "combo", tuple(CRITERIA)),
        repeats=[int(repeat) for repeat in parse_set(cfg.repeat, "repeat")],
        seed=cfg.seed,
        pretrain=_recipe("pretrain", cfg.pretrain, given),
        pretrain_seed=cfg.pretrain.seed,
        checkpoint=Path(cfg.pretrain.checkpoint) if cfg.pretrain.checkpoint else None,
        weights=cfg.pretrain.weights,
        retrain=_recipe("retrain", cfg.retrain, given),
        fraction=cfg.retrain.fraction,
        trainer=TrainerSettings(
            cfg.trainer.accelerator, cfg.trainer.precision, cfg.trainer.threads, cfg.trainer.compile
        ),
        wandb=WandbSettings(logger.mode.name, logger.project, logger.entity) if logger.name.name == "wandb" else None,
        out=Path(cfg.paths.out),
        cache=Path(cfg.paths.cache),
    )


def _layers(cfg: DictConfig, shadow: nn.Module, scheme: str) -> tuple[dict[str, float], tuple[LayerChoice, ...]]:
    """The prunable layers' ratios, and how many filters each loses."""
    ratio, default = plain(cfg.pruning.ratio), plain(cfg.model.ratio)
    if scheme == "width":
        return width_choices(shadow, default if ratio is None else ratio)
    patterns = [LayerPattern(entry.layers, entry.count, entry.type) for entry in cfg.model.prunable]
    ratios = resolve_ratio(shadow, ratio, default, patterns)
    return ratios, layer_choices(shadow, ratios)


def _check_ranges(cfg: DictConfig) -> None:
    for key, value in {"study": cfg.study, "model.name": cfg.model.name, "data.name": cfg.data.name}.items():
        if value is not None and not re.fullmatch(r"[\w.+-]+", value):  # they become the study's folder
            raise ValueError(f"{key} must be letters, digits, '.', '_', '+' and '-'; got {value!r}")
    for key, fraction in {"pretrain": cfg.pretrain.fraction, "retrain": cfg.retrain.fraction}.items():
        if not 0 < fraction <= 1:
            raise ValueError(f"{key}.fraction must lie in (0, 1]; got {fraction}")
    if cfg.trainer.threads < 1:
        raise ValueError(f"trainer.threads must be at least 1; got {cfg.trainer.threads}")
    if cfg.trainer.precision not in PRECISIONS:
        raise ValueError(f"trainer.precision must be one of {', '.join(PRECISIONS)}; got {cfg.trainer.precision!r}")


def _label(cfg: DictConfig, ratio: Mapping[str, float], scheme: str, wiring: str) -> str:
    if cfg.study is not None:
        return cfg.study
    parts = [f"{layer}_{value:g}" for layer, value in ratio.items()]
    if len(parts) > MOST_LAYERS_IN_LABEL:
        values = sorted(set(ratio.values()))
        parts = [f"{len(parts)}_layers_" + "_".join(f"{value:g}" for value in values[:MOST_LAYERS_IN_LABEL])]
    if scheme == "width":
        parts.insert(0, scheme)
    if wiring != "correct":
        parts.append(wiring)
    return "-".join([cfg.model.name, cfg.data.name, *parts])


def _recipe(key: str, cfg: DictConfig, given: Collection[str]) -> Recipe:
    recipe = parse_recipe(
        key,
        cfg.lr,
        cut_off=f"{key}.lr" not in given,
        epochs=cfg.epochs,
        batch_size=cfg.batch_size,
        momentum=cfg.momentum,
        weight_decay=cfg.weight_decay,
        optimizer=cfg.optimizer.name,
        decay=cfg.schedule.name,
        label_smoothing=cfg.label_smoothing,
        mixup=cfg.mixup,
        cutmix=cfg.cutmix,
        gradient_clip=cfg.gradient_clip,
    )
    return recipe.scaled(cfg.fraction)
