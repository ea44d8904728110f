"""What a configuration may ask of a language model, and of no other network."""

from omegaconf import DictConfig
from torch import nn

from oraclecheck.command.interpret_masks import UNSTRUCTURED
from oraclecheck.engines.recipe import BY_STEP, Recipe
from oraclecheck.multimodal.conversations import CONVERSATIONS, is_language_model

AUTO, FSDP = "auto", "fsdp"
"""What `trainer.strategy` may be."""


def check_language_model(cfg: DictConfig, shadow: nn.Module, retrain: Recipe) -> None:
    """Refuse, with a ValueError, what a language model cannot be asked, and what only one can.

    Args:
        cfg: The configuration.
        shadow: The network; a meta-device one will do.
        retrain: How pruned networks are retrained.
    """
    trainer, model = cfg.trainer, cfg.model.name
    if trainer.strategy not in (AUTO, FSDP):
        raise ValueError(f"trainer.strategy must be {AUTO} or {FSDP}; got {trainer.strategy}")
    if not is_language_model(shadow):
        usual = {"strategy": AUTO, "devices": 1, "accumulate": 1, "gradient_checkpointing": False}
        for key, value in {**usual, "keep_networks": False}.items():
            if trainer[key] != value:
                raise ValueError(f"trainer.{key} must be {value} for {model}, no language model; got {trainer[key]}")
        for key, given in (("pretrain", cfg.pretrain), ("retrain", cfg.retrain)):
            if given.schedule.name == BY_STEP:
                raise ValueError(f"{key}.schedule must be step or cosine for {model}, no language model; got {BY_STEP}")
        return
    if CONVERSATIONS not in cfg.data.source.get("_target_", ""):
        raise ValueError(f"data must be llava for {model}, a language model; got {cfg.data.name}: choose data=llava")
    for key, value, rule in (
        ("pruning.scheme", cfg.pruning.scheme.name, UNSTRUCTURED),
        ("retrain.mixup", retrain.mixup, 0),
        ("retrain.cutmix", retrain.cutmix, 0),
        ("trainer.compile", trainer.compile, False),
    ):
        if value != rule:
            raise ValueError(f"{key} must be {rule} for {model}, a language model; got {value}")
    if trainer.accumulate < 1 or retrain.batch_size % trainer.accumulate:
        raise ValueError(
            f"trainer.accumulate must divide retrain.batch_size, {retrain.batch_size}; got {trainer.accumulate}"
        )
    _check_sharding(cfg)


def _check_sharding(cfg: DictConfig) -> None:
    trainer = cfg.trainer
    if trainer.strategy == AUTO:
        if trainer.devices != 1:
            raise ValueError(
                f"trainer.devices must be 1 where trainer.strategy is {AUTO}; got {trainer.devices}: workers take a "
                f"GPU each, and trainer.strategy={FSDP} shards a network over several"
            )
        return
    where = f"where trainer.strategy is {FSDP}"
    if not 2 <= trainer.devices <= trainer.accumulate:
        raise ValueError(
            f"trainer.devices must lie in [2, trainer.accumulate] {where}, for each takes a part of a batch at a time; "
            f"got {trainer.devices}, and {trainer.accumulate} parts"
        )
    for key, value, allowed in (
        ("engine.name", cfg.engine.name.name, ("lightning", "auto")),
        ("trainer.accelerator", trainer.accelerator, ("auto", "gpu", "cuda", "cpu")),
        ("trainer.precision", trainer.precision, ("32-true", "tf32", "bf16-mixed")),
    ):
        if value not in allowed:
            raise ValueError(f"{key} must be one of {', '.join(allowed)} {where}; got {value}")
    if not cfg.pretrain.checkpoint:
        raise ValueError(f"pretrain.checkpoint must be the dense network {where}, which trains none; got none")
