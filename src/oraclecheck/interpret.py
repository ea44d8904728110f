"""From a composed configuration to a setting: values as Python has them, each within its key's rule."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import nn

from oraclecheck.config import register_resolver
from oraclecheck.data.augmentation import Augmentation
from oraclecheck.data.loading import Preparation
from oraclecheck.data.sources import Source
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


def interpret(cfg: DictConfig) -> Setting:
    """The setting of a composed configuration.

    Raises:
        ValueError: If a value breaks its key's rule; one sentence that names the key.
    """
    register_resolver()  # in a process that Hydra did not start
    source = _source(cfg)
    network = _plain(cfg.model.network)
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
        preparation=_preparation(cfg, source),
        classes=cfg.data.classes,
        ratio=ratio,
        space=CombinationSpace.of(layers, cfg.pruning.order.name, cfg.pruning.order_seed),
        scheme=scheme,
        wiring=wiring,
        combinations=parse_set(cfg.combo, "combo", tuple(CRITERIA)),
        repeats=[int(repeat) for repeat in parse_set(cfg.repeat, "repeat")],
        seed=cfg.seed,
        pretrain=_recipe("pretrain", cfg.pretrain),
        pretrain_seed=cfg.pretrain.seed,
        checkpoint=Path(cfg.pretrain.checkpoint) if cfg.pretrain.checkpoint else None,
        weights=cfg.pretrain.weights,
        retrain=_recipe("retrain", cfg.retrain).scaled(cfg.retrain.fraction),
        fraction=cfg.retrain.fraction,
        trainer=TrainerSettings(cfg.trainer.accelerator, cfg.trainer.precision, cfg.trainer.threads),
        wandb=WandbSettings(logger.mode.name, logger.project, logger.entity) if logger.name.name == "wandb" else None,
        out=Path(cfg.paths.out),
        cache=Path(cfg.paths.cache),
    )


def _layers(cfg: DictConfig, shadow: nn.Module, scheme: str) -> tuple[dict[str, float], tuple[LayerChoice, ...]]:
    """The prunable layers' ratios, and how many filters each loses."""
    ratio, default = _plain(cfg.pruning.ratio), _plain(cfg.model.ratio)
    if scheme == "width":
        return width_choices(shadow, default if ratio is None else ratio)
    patterns = [LayerPattern(entry.layers, entry.count, entry.type) for entry in cfg.model.prunable]
    ratios = resolve_ratio(shadow, ratio, default, patterns)
    return ratios, layer_choices(shadow, ratios)


def _check_ranges(cfg: DictConfig) -> None:
    for key, value in {"study": cfg.study, "model.name": cfg.model.name, "data.name": cfg.data.name}.items():
        if value is not None and not re.fullmatch(r"[\w.+-]+", value):  # they become the study's folder
            raise ValueError(f"{key} must be letters, digits, '.', '_', '+' and '-'; got {value!r}")
    if not 0 < cfg.retrain.fraction <= 1:
        raise ValueError(f"retrain.fraction must lie in (0, 1]; got {cfg.retrain.fraction}")
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


def _source(cfg: DictConfig) -> Source:
    data = cfg.data
    if data.in_memory not in ("auto", True, False):
        raise ValueError(f"data.in_memory must be auto, true or false; got {data.in_memory!r}")
    if data.workers < 0:
        raise ValueError(f"data.workers must be at least 0; got {data.workers}")
    if not 0 < data.crop_ratio <= 1:
        raise ValueError(f"data.crop_ratio must lie in (0, 1]; got {data.crop_ratio}")
    source = instantiate(data.source)
    if list(source.shape) != list(cfg.model.input_shape):
        raise ValueError(
            f"model.input_shape must be that of the images of {cfg.data.name}, {list(source.shape)}; {cfg.model.name} "
            f"takes {list(cfg.model.input_shape)}: choose another data set or model"
        )
    return source


def _preparation(cfg: DictConfig, source: Source) -> Preparation:
    data = cfg.data
    channels = cfg.model.input_shape[0]
    if len(data.mean) != channels or len(data.std) != channels or min(data.std) <= 0:
        raise ValueError(
            f"data.mean and data.std must have a number for each channel ({channels}), those of data.std positive; "
            f"got {list(data.mean)} and {list(data.std)}"
        )
    if data.augment.crop_padding < 0:
        raise ValueError(f"data.augment.crop_padding must be at least 0; got {data.augment.crop_padding}")
    augmentation = Augmentation(**_plain(data.augment))
    if augmentation.resized_crop and not getattr(source, "streams", False):
        raise ValueError(
            "data.augment.resized_crop must be false where images are kept in memory, at their final size; got true: "
            "use data.augment.crop_padding, or read them each time with data.in_memory=false"
        )
    augmented = data.train_eval.name == "augmented"
    if augmented and not augmentation:
        raise ValueError(
            f"data.train_eval must be plain where data.augment changes nothing; got {data.train_eval.name}"
        )
    return Preparation(
        tuple(data.mean), tuple(data.std), augmentation, augmented, data.train_eval_images, cfg.model.channels_last
    )


def _recipe(key: str, cfg: DictConfig) -> Recipe:
    return parse_recipe(
        key,
        cfg.lr,
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


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
