"""What the stacked engine needs, found out before anything is trained."""

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from oraclecheck.engines.stacked.stack import Stack
from oraclecheck.engines.trainer import TF32, TrainerSettings
from oraclecheck.errors import tell

INSTEAD = "choose engine=lightning"
PRECISIONS = ("32-true", TF32, "bf16-mixed")
META = torch.device("meta")


def check(network: nn.Module, shape: Sequence[int], in_memory: bool, trainer: TrainerSettings) -> None:
    """Find out whether the stacked engine can do what a setting says.

    Args:
        network: The network, pruned or not; it may be a shadow.
        shape: Channels, height and width of an image.
        in_memory: Whether the images are kept as bytes in memory.
        trainer: Device, precision, threads.

    Raises:
        ValueError: If it cannot; one sentence that names the key and what to choose.
    """
    for key, rule, value, holds in (
        ("trainer.precision", f"one of {', '.join(PRECISIONS)}", trainer.precision, trainer.precision in PRECISIONS),
        ("trainer.compile", "false", "true", not trainer.compile),
    ):
        if not holds:
            raise ValueError(f"{key} must be {rule} for engine=stacked; got {value}: {INSTEAD}")
    if not in_memory:
        raise ValueError(
            f"data.source must be images that are kept in memory for engine=stacked; got one that is read anew: "
            f"{INSTEAD}"
        )
    _check_network(network, shape)


def _check_network(network: nn.Module, shape: Sequence[int]) -> None:
    """Take a stack of two through a step and an evaluation, without numbers."""
    replaced: list[str] = []
    try:
        stack = Stack(network, 2, META)
        _note_replaced_buffers(stack.template, replaced)
        with warnings.catch_warnings(), torch.device(META):
            warnings.simplefilter("ignore")  # of operations that are done for one network after the other
            logits = stack(torch.empty(2, 2, *shape))
            torch.autograd.grad(logits.sum(), stack.trained, allow_unused=True)
            stack.template.eval()
            stack(torch.empty(2, *shape))
    except Exception as error:  # whatever torch and a network's own code raise
        raise ValueError(f"{_reason(error)}: {INSTEAD}") from error
    if replaced:
        raise ValueError(
            f"model.network must change its buffers in place for engine=stacked; it replaces {replaced[0]}: {INSTEAD}"
        )


def _note_replaced_buffers(network: nn.Module, replaced: list[str]) -> None:
    """Have a network add the names of buffers that its forward puts others in the place of: those would be lost."""
    before: dict[str, Tensor] = {}

    def look(module: nn.Module, _: Any) -> None:
        before.update(module.named_buffers())

    def look_again(module: nn.Module, *_: Any) -> None:
        replaced.extend(name for name, buffer in module.named_buffers() if buffer is not before[name])

    network.register_forward_pre_hook(look)
    network.register_forward_hook(look_again)


def _reason(error: Exception) -> str:
    """What keeps a network from being stacked, in torch's words where there are no better ones."""
    said = str(error)
    if "random operation" in said:
        return "model.network must draw nothing at random, as dropout does, for engine=stacked"
    if "control flow" in said or ".item()" in said:
        return "model.network must do the same whatever its numbers are, for engine=stacked"
    return f"model.network must be one that torch.func.vmap can stack for engine=stacked; got {tell(error)}"
