"""Normalisations over channels as they are without some of the channels, which stay where they are."""

from collections.abc import Callable
from inspect import signature
from typing import Any

from torch import Tensor, finfo
from torch.nn import functional

OVER_CHANNELS = (functional.layer_norm, functional.rms_norm, functional.group_norm)


def normalise_kept(function: Callable[..., Tensor], kept: Tensor, *arguments: Any, **keywords: Any) -> Tensor:
    """What a normalisation over channels gives with the statistics of the elements that are kept.

    Args:
        function: One of `OVER_CHANNELS`.
        kept: 1 for the elements that are kept and 0 for others, of the input's shape.
        *arguments: The function's.
        **keywords: The function's.
    """
    bound = signature(function).bind(*arguments, **keywords)
    bound.apply_defaults()
    given = bound.arguments
    x, weight, bias, eps = given["input"], given["weight"], given.get("bias"), given["eps"]
    shape = x.shape
    if function is functional.group_norm:
        x, kept = (each.reshape(len(x), given["num_groups"], -1) for each in (x, kept))
        dims = [2]
        per_channel = (-1, *[1] * (len(shape) - 2))
        weight, bias = (None if each is None else each.view(per_channel) for each in (weight, bias))
    else:
        dims = list(range(-len(given["normalized_shape"]), 0))
    count = kept.sum(dims, keepdim=True).clamp(min=1)
    if function is not functional.rms_norm:
        x = x - (x * kept).sum(dims, keepdim=True) / count
    mean_square = (x**2 * kept).sum(dims, keepdim=True) / count
    eps = finfo(x.dtype).eps if eps is None else eps  # as in torch's `rms_norm`
    x = (x / (mean_square + eps).sqrt()).view(shape)
    x = x if weight is None else x * weight
    return x if bias is None else x + bias
