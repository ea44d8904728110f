"""From a composed configuration to a setting: values as Python has them, each within its key's rule."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from torch import nn

from oraclecheck.command.budget import ratios_of
from oraclecheck.command.interpret_data import interpret_preparation, interpret_source, plain
from oraclecheck.command.interpret_language import check_language_model
from oraclecheck.command.interpret_masks import (
    UNSTRUCTURED,
    check_engine,
    check_pipeline,
    check_precision,
    interpret_masks,
)
from oraclecheck.command.interpret_pipeline import check_shapes, interpret_pipeline, removed_in_rounds
from oraclecheck.command.request import Request
from oraclecheck.command.sets import SET_LIMIT, parse_set
from oraclecheck.criteria.additive import ADDITIVE
from oraclecheck.data import loading
from oraclecheck.engines.choice import choose
from oraclecheck.engines.lanes import conditions as lanes
from oraclecheck.engines.recipe import Recipe, parse_recipe
from oraclecheck.engines.stacked import conditions as stacked
from oraclecheck.engines.trainer import TF32, TrainerSettings, on_cuda
from oraclecheck.networks.shadow import shadow_network
from oraclecheck.pruning.layers import LayerPattern, layer_choices, resolve_ratio
from oraclecheck.pruning.masks.space import Space
from oraclecheck.pruning.rounds import NestedSpace
from oraclecheck.pruning.space import CombinationSpace
from oraclecheck.pruning.speedup import macs
from oraclecheck.pruning.width import width_choices
from oraclecheck.records.searches import SEARCHED
from oraclecheck.records.wandb.server import WandbSettings
from oraclecheck.spelling import spell_number
from oraclecheck.study.setting import (
    DataSetting,
    EngineSetting,
    NetworkSetting,
    Paths,
    PipelineSetting,
    PretrainSetting,
    PruningSetting,
    RetrainSetting,
    Setting,
)

PRECISIONS = ("32-true", TF32, "bf16-mixed", "16-mixed")
"""Those that leave the weights, and so the evaluation, in float32."""

MOST_LAYERS_IN_LABEL = 4  # more would make folder names unreadable

MOST_LETTERS = 200
"""Of a study's label and of a name in it, in bytes: with what follows they are names of files, which hold 255."""

OPTIONAL = ("label_smoothing", "mixup", "cutmix", "gradient_clip", "lr_min")
"""Keys of a recipe that most recipes have no need of."""

MOST_THREADS = 1024  # of one process: more can exhaust a machine's memory

MOST_NETWORKS = 4096  # at once: a worker claims the runs of as many

MOST_REPEATS = 1_000_000_000  # their numbers are folders' names and parts of W&B's ids


ALL = "all"

COMBINATION_NAMES = (ALL, *ADDITIVE, *SEARCHED)
"""Words that `combo=` takes beside indices: every combination, what a criterion picks, what an exact search found."""

_OF_THE_COMMAND = ("stage", "combo", "repeat", "logger", "workers", "gpu_slots", "dry_run", "row", "rows")
"""Keys that say nothing about the setting."""


def interpret(cfg: DictConfig, given: Collection[str] = ()) -> Request:
    """What a composed configuration asks for.

    Args:
        cfg: The configuration.
        given: Keys that the command line itself gives, where that is known: rates that are written there must be
            reached, while those of a file are cut off where the command line trains for fewer epochs.

    Raises:
        ValueError: If a value breaks its key's rule; one sentence that names the key.
    """
    repeats, logger = parse_repeats([cfg.repeat]), cfg.logger
    wandb = WandbSettings(logger.mode.name, logger.project, logger.entity) if logger.name.name == "wandb" else None
    of_setting = {key: plain(value) for key, value in cfg.items() if key not in _OF_THE_COMMAND}
    said = of_setting, set(given), Path.cwd()  # where relative paths begin
    if not _last or _last[0][0] != said:
        _last[:] = [(said, interpret_setting(cfg, given))]
    setting = _last[0][1]
    combinations = combinations_of(cfg.combo, setting.pruning.space)
    if len(combinations) * len(repeats) > SET_LIMIT:
        asked = f"{len(combinations) * len(repeats):,}"
        raise ValueError(f"combo and repeat must ask for at most {SET_LIMIT:,} runs; got {asked}")
    return Request(setting, cfg.stage.name, combinations, repeats, wandb)


_last: list[tuple[Any, Setting]] = []
"""What the last command said of its setting, and the setting: the jobs of a sweep differ in their runs alone."""


def combinations_of(text: int | str, space: Space) -> list[int | str]:
    """The combinations that `combo` stands for."""
    members = parse_set(text, "combo", COMBINATION_NAMES)
    if ALL not in members:
        return members
    if space.order != "lexicographic" or space.size > SET_LIMIT:
        raise ValueError(
            f"combo must be a set of indices, such as 0-999, where the space is too large to be enumerated; got all of "
            f"{spell_number(space.size)} combinations"
        )
    return list(dict.fromkeys([*range(space.size), *(member for member in members if member != ALL)]))


def interpret_setting(cfg: DictConfig, given: Collection[str] = ()) -> Setting:
    """The setting of a composed configuration; see `interpret`."""
    budget = plain(cfg.pruning.budget)
    if budget is not None and cfg.pipeline.divide_by_speedup:
        raise ValueError(
            "pruning.budget must be left out with pipeline.divide_by_speedup=true: what it shares out decides the "
            "speed-up, and that the network which it scores"
        )
    setting = _setting(cfg, given)
    if budget is None or cfg.stage.name == "pretrain":
        return setting
    counted = cfg.copy()
    counted.pruning.ratio = ratios_of(budget, setting)
    return _setting(counted, given)


def _setting(cfg: DictConfig, given: Collection[str]) -> Setting:
    network = NetworkSetting(
        cfg.model.name, plain(cfg.model.network), tuple(cfg.model.input_shape), cfg.model.channels_last
    )
    source = interpret_source(cfg)
    scheme, wiring = cfg.pruning.scheme.name, cfg.pruning.wiring.name
    shadow = shadow_network(network.description)
    ratio, space, counts = _space(cfg, shadow, scheme)
    _check_ranges(cfg)
    checkpoint = Path(cfg.pretrain.checkpoint) if cfg.pretrain.checkpoint else None
    weights, keep = cfg.pretrain.weights, _kept(cfg.pretrain)
    pretrain = PretrainSetting(_recipe("pretrain", cfg.pretrain, given), cfg.pretrain.seed, checkpoint, weights, keep)
    pipeline, retrain = interpret_pipeline(
        cfg.pipeline,
        pretrain,
        _recipe("retrain", cfg.retrain, given),
        lambda key: macs(shadow, space.shapes()[-1], scheme, network.input_shape, key),
        counts,
        lambda key, said: _round_recipe(key, cfg.retrain, given, said),
        cfg.retrain.lr,
    )
    trainer = _trainer(cfg.trainer)
    check_language_model(cfg, shadow, retrain)
    check_precision(scheme, trainer.precision)
    preparation = interpret_preparation(cfg, source)

    candidate = "stacked" if on_cuda(trainer) else "lanes"

    def check_candidate() -> None:
        check_engine(scheme, candidate)
        in_memory = loading.in_memory(source)
        if candidate == "stacked":
            check_shapes(pipeline)
            stacked.check(shadow, network.input_shape, in_memory, trainer)
        else:
            lanes.check(shadow, network.input_shape, in_memory, preparation, retrain, trainer)
            lanes.check_machine(trainer)

    if cfg.engine.name.name != "auto":
        check_engine(scheme, cfg.engine.name.name)
    networks, engine = _networks(cfg), choose(cfg.engine.name.name, candidate, check_candidate)
    return Setting(
        label=_label(cfg, ratio, scheme, wiring, pipeline),
        network=network,
        data=DataSetting(cfg.data.name, source, preparation, cfg.data.classes),
        pruning=PruningSetting(ratio, space, scheme, wiring),
        pretrain=pretrain,
        retrain=RetrainSetting(retrain, cfg.retrain.fraction, cfg.seed),
        engine=EngineSetting(*engine, networks=networks if engine[0] == "stacked" else None),
        trainer=trainer,
        paths=Paths(Path(cfg.paths.out), Path(cfg.paths.cache)),
        pipeline=pipeline,
    )


def _space(
    cfg: DictConfig, shadow: nn.Module, scheme: str
) -> tuple[dict[str, float], Space, dict[str, tuple[int, ...]]]:
    """The prunable layers' ratios, the combinations, and what `removed_in_rounds` gives."""
    if scheme == UNSTRUCTURED:
        check_pipeline(cfg.pipeline.name.name)
        return *interpret_masks(cfg.pruning, shadow), {}
    ratio, default = plain(cfg.pruning.ratio), plain(cfg.model.ratio)
    if scheme == "width":
        ratios, layers = width_choices(shadow, default if ratio is None else ratio)
    else:
        patterns = [LayerPattern(entry.layers, entry.count, entry.type) for entry in cfg.model.prunable]
        ratios = resolve_ratio(shadow, ratio, default, patterns)
        layers = layer_choices(shadow, ratios)
    order = cfg.pruning.order.name, cfg.pruning.order_seed
    counts = removed_in_rounds(cfg.pipeline, ratios, layers)
    space = NestedSpace.of(layers, *order, rounds=counts) if counts else CombinationSpace.of(layers, *order)
    return ratios, space, counts


def _networks(cfg: DictConfig) -> int | None:
    """How many networks are retrained at once; None for as many as memory holds."""
    networks, engine = cfg.engine.networks, cfg.engine.name.name
    if networks == "auto":
        return None
    if not isinstance(networks, int) or not 1 <= networks <= MOST_NETWORKS:
        raise ValueError(f"engine.networks must be auto or lie in [1, {MOST_NETWORKS}]; got {networks}")
    if engine not in ("stacked", "auto"):
        raise ValueError(f"engine.networks must be auto for engine={engine}; got {networks}: choose engine=stacked")
    return networks


def _check_ranges(cfg: DictConfig) -> None:
    for key, value in {"study": cfg.study, "model.name": cfg.model.name, "data.name": cfg.data.name}.items():
        if value is not None:
            _check_name(key, value)
    for key, folder in {"paths.out": cfg.paths.out, "paths.cache": cfg.paths.cache}.items():
        if not folder or not folder.isprintable():  # a name that is no UTF-8 cannot be printed
            raise ValueError(f"{key} must be a folder, its name in letters that can be printed; got {folder!r}")
    for key, fraction in {"pretrain": cfg.pretrain.fraction, "retrain": cfg.retrain.fraction}.items():
        if not 0 < fraction <= 1:
            raise ValueError(f"{key}.fraction must lie in (0, 1]; got {fraction}")
    if not 1 <= cfg.trainer.threads <= MOST_THREADS:
        raise ValueError(f"trainer.threads must lie in [1, {MOST_THREADS}]; got {cfg.trainer.threads}")
    if cfg.trainer.precision == "bf16-true":
        raise ValueError(
            "trainer.precision must leave weights in float32; got bf16-true, in which a weight has 8 significant bits: "
            "a step of AdamW at rate 2e-5 moves none above 0.0078, seven in ten of a layer with standard deviation "
            "0.02: choose bf16-mixed"
        )
    if cfg.trainer.precision not in PRECISIONS:
        raise ValueError(f"trainer.precision must be one of {', '.join(PRECISIONS)}; got {cfg.trainer.precision!r}")


def _trainer(cfg: DictConfig) -> TrainerSettings:
    names = ("accelerator", "precision", "threads", "compile", "accumulate", "devices")
    return TrainerSettings(
        **{name: cfg[name] for name in names}, checkpointing=cfg.gradient_checkpointing, keep=cfg.keep_networks
    )


def _check_name(key: str, name: str) -> None:
    if not re.fullmatch(r"[\w.+-]+", name):  # it becomes a part of a folder's name
        raise ValueError(f"{key} must be letters, digits, '.', '_', '+' and '-'; got {name!r}")
    if len(name.encode()) > MOST_LETTERS:
        raise ValueError(f"{key} must have at most {MOST_LETTERS} letters; got {len(name)}: {name[:20]}...")


def parse_repeats(values: Sequence[int | str]) -> list[int]:
    """The repeats that values of `repeat` name, each once.

    Raises:
        ValueError: If a value is no index or set of indices, or an index is too long for a folder's name.
    """
    repeats = list(dict.fromkeys(int(repeat) for value in values for repeat in parse_set(value, "repeat")))
    if max(repeats) >= MOST_REPEATS:
        raise ValueError(f"repeat must be below {MOST_REPEATS:,}; got {max(repeats)}")
    return repeats


def _label(cfg: DictConfig, ratio: Mapping[str, float], scheme: str, wiring: str, pipeline: PipelineSetting) -> str:
    if cfg.study is not None:
        return cfg.study
    parts = [f"{layer}_{value:g}" for layer, value in ratio.items()]
    if scheme == UNSTRUCTURED:
        parts = [f"{scheme}_{next(iter(ratio.values())):g}"]
    if len(parts) > MOST_LAYERS_IN_LABEL or len("-".join(parts)) > MOST_LETTERS // 2:
        values = sorted(set(ratio.values()))
        parts = [f"{len(parts)}_layers_" + "_".join(f"{value:g}" for value in values[:MOST_LAYERS_IN_LABEL])]
    if scheme == "width":
        parts.insert(0, scheme)
    if wiring != "correct":
        parts.append(wiring)
    if pipeline.name != "one_shot":
        number = pipeline.epoch or len(pipeline.rounds) or None
        parts.append(pipeline.name if number is None else f"{pipeline.name}_{number}")
    label = "-".join([cfg.model.name, cfg.data.name, *parts])
    _check_name("study", label)  # names of the user's layers are in it
    return label


def _kept(cfg: DictConfig) -> tuple[int, ...]:
    """The epochs of pretraining after which the network is kept besides; those that it does not come to are not."""
    if any(epoch < 1 for epoch in cfg.keep):
        raise ValueError(f"pretrain.keep must be numbers of epochs, at least 1; got {min(cfg.keep)}")
    return tuple(sorted(set(cfg.keep)))


def _recipe(key: str, cfg: DictConfig, given: Collection[str]) -> Recipe:
    return _parsed(key, cfg, f"{key}.lr" not in given)


def _round_recipe(key: str, cfg: DictConfig, given: Collection[str], said: Mapping[str, Any]) -> Recipe:
    """The recipe of a round: that of `retrain` but for what the round itself says."""
    own = {name: value for name, value in said.items() if name != "ratio"}
    cut_off = "lr" not in own and "retrain.lr" not in given
    return _parsed(key if own else "retrain", OmegaConf.merge(cfg, own), cut_off)  # type: ignore[arg-type]


def _parsed(key: str, cfg: DictConfig, cut_off: bool) -> Recipe:
    same = [*("epochs", "batch_size", "momentum", "weight_decay"), *OPTIONAL]
    values = {"optimizer": cfg.optimizer.name, "decay": cfg.schedule.name, **{name: cfg[name] for name in same}}
    return parse_recipe(key, cfg.lr, cut_off=cut_off, **values).scaled(cfg.fraction)
