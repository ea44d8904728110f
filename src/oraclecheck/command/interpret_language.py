"""What a configuration may ask of a language model, and of no other network."""

from omegaconf import DictConfig
from torch import nn

from oraclecheck.command.interpret_masks import UNSTRUCTURED
from oraclecheck.engines.recipe import Recipe
from oraclecheck.multimodal.conversations import CONVERSATIONS, is_language_model


def check_language_model(cfg: DictConfig, shadow: nn.Module, retrain: Recipe) -> None:
    """Refuse, with a ValueError, what a language model cannot be asked, and what only one can.

    Args:
        cfg: The configuration.
        shadow: The network; a meta-device one will do.
        retrain: How pruned networks are retrained.
    """
    trainer, model = cfg.trainer, cfg.model.name
    if not is_language_model(shadow):
        for key, usual in (("accumulate", 1), ("gradient_checkpointing", False), ("keep_networks", False)):
            if trainer[key] != usual:
                raise ValueError(f"trainer.{key} must be {usual} for {model}, no language model; got {trainer[key]}")
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
