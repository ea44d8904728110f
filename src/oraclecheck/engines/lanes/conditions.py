"""What the lanes engine needs, found out before anything is trained."""

from collections.abc import Sequence

from torch import nn

from oraclecheck.data.loading import Preparation
from oraclecheck.engines.lanes.chain import INSTEAD, chain_of
from oraclecheck.engines.lanes.compiler import compiler
from oraclecheck.engines.recipe import Recipe
from oraclecheck.engines.trainer import TrainerSettings, on_cpu


def check(
    network: nn.Module,
    shape: Sequence[int],
    in_memory: bool,
    preparation: Preparation,
    recipe: Recipe,
    trainer: TrainerSettings,
) -> None:
    """Find out whether the lanes engine can do what a setting says.

    Args:
        network: The network, pruned or not; it may be a shadow.
        shape: Channels, height and width of an image.
        in_memory: Whether the images are kept as bytes in memory.
        preparation: How they become batches.
        recipe: How networks are retrained.
        trainer: Device, precision, threads.

    Raises:
        ValueError: If it cannot; one sentence that names the key and what to choose.
    """
    check_recipe(recipe, trainer)
    if not in_memory:
        raise ValueError(
            f"data.source must be images that are kept in memory for engine=lanes; got one that is read anew: {INSTEAD}"
        )
    if preparation.augmentation:
        raise ValueError(
            f"data.augment must change nothing for engine=lanes; got {preparation.augmentation}: {INSTEAD}"
        )
    chain_of(network, shape)


def check_recipe(recipe: Recipe, trainer: TrainerSettings) -> None:
    """Find out whether the lanes engine retrains as a recipe says.

    Raises:
        ValueError: If it does not.
    """
    for key, rule, value, holds in (
        ("retrain.optimizer", "sgd", recipe.optimizer, recipe.optimizer == "sgd"),
        ("retrain.label_smoothing", "0", recipe.label_smoothing, not recipe.label_smoothing),
        ("retrain.mixup", "0", recipe.mixup, not recipe.mixup),
        ("retrain.cutmix", "0", recipe.cutmix, not recipe.cutmix),
        ("retrain.gradient_clip", "null", recipe.gradient_clip, recipe.gradient_clip is None),
        ("trainer.precision", "32-true", trainer.precision, trainer.precision == "32-true"),
        ("trainer.compile", "false", "true", not trainer.compile),
        ("trainer.threads", "1, with a process for each core,", trainer.threads, trainer.threads == 1),
    ):
        if not holds:
            raise ValueError(f"{key} must be {rule} for engine=lanes; got {value}: {INSTEAD}")


def check_machine(trainer: TrainerSettings) -> None:
    """Find out whether it can do so on this machine.

    Raises:
        ValueError: If there is no compiler, or networks would be trained on a GPU.
    """
    if not on_cpu(trainer):
        raise ValueError(
            f"trainer.accelerator must be cpu for engine=lanes; got {trainer.accelerator} on a machine with a GPU: set "
            f"it, or {INSTEAD}"
        )
    compiler()
