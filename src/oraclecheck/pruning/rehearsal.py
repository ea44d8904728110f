"""A rehearsal of pruning on the meta device: it finds before a sweep what would stop every run of it."""

from collections.abc import Sequence

import torch
from torch import nn

from oraclecheck.pruning.combination import Removed
from oraclecheck.pruning.structured import brief, prune


def rehearse(shadow: nn.Module, removed: Removed, input_shape: Sequence[int], classes: int) -> None:
    """Prune a shadow of the dense network and run it, which costs no arithmetic.

    Args:
        shadow: The dense network on the meta device; it is not changed.
        removed: A combination.
        input_shape: Shape of one image.
        classes: Number of classes.

    Raises:
        ValueError: If the network does not turn an image into a logit for each class, or can no longer without the
            removed filters; the sentence names the layer.
    """
    image = torch.empty(1, *input_shape, device="meta")
    logits = _output_shape(shadow, image)
    if isinstance(logits, Exception):
        raise ValueError(f"model.network must take an image of shape {list(input_shape)}; it raises {brief(logits)}")
    if logits != (1, classes):
        raise ValueError(
            f"model.network must turn an image into data.classes={classes} logits; its output has shape "
            f"{list(logits)}: set one of them"
        )
    if _output_shape(prune(shadow, removed, image), image) == logits:
        return
    for name, filters in removed.items():
        alone = _output_shape(prune(shadow, {name: filters}, image), image)
        if isinstance(alone, Exception):
            raise ValueError(
                f"pruning.ratio must name layers that the network's forward lets lose filters; without {len(filters)} "
                f"of {name} it raises {brief(alone)}"
            )
        if alone != logits:
            raise ValueError(f"pruning.ratio must not name the layer whose outputs are the classes; got {name}")
    raise ValueError(f"pruning.ratio must name layers that can lose filters together; got {', '.join(removed)}")


def _output_shape(network: nn.Module, image: torch.Tensor) -> tuple[int, ...] | Exception:
    """The shape of a network's output for an image, or what it raises instead; its mode is left as it was."""
    modes = {module: module.training for module in network.modules()}
    try:
        with torch.no_grad():
            return tuple(network.eval()(image).shape)  # one image is too few for a BatchNorm that trains
    except Exception as error:
        return error
    finally:
        for module, training in modes.items():
            module.training = training
