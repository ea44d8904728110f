"""Normalisations over channels as they are without some of the channels, which stay where they are."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, finfo
from torch.nn import functional


def _mean(x: Tensor, kept: Tensor, dims: list[int]) -> Tensor:
    return (x * kept).sum(dims, keepdim=True) / kept.sum(dims, keepdim=True).clamp(min=1)


def _standardised(x: Tensor, kept: Tensor, dims: list[int], eps: float) -> Tensor:
    centred = x - _mean(x, kept, dims)
    return centred / (_mean(centred**2, kept, dims) + eps).sqrt()


def _layer_norm(
    kept: Tensor,
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    dims = list(range(-len(normalized_shape), 0))
    return _scaled(_standardised(input, kept, dims, eps), weight, bias)


def _rms_norm(
    kept: Tensor,
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    dims = list(range(-len(normalized_shape), 0))
    eps = finfo(input.dtype).eps if eps is None else eps
    return _scaled(input / (_mean(input**2, kept, dims) + eps).sqrt(), weight, None)


def _group_norm(
    kept: Tensor,
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    groups = (len(input), num_groups, -1)
    x = _standardised(input.reshape(groups), kept.reshape(groups), [2], eps).view_as(input)
    shape = (-1, *[1] * (input.ndim - 2))
    return _scaled(x, *(None if parameter is None else parameter.view(shape) for parameter in (weight, bias)))


def _scaled(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


PARTIAL: dict[Any, Callable[..., Tensor]] = {
    functional.layer_norm: _layer_norm,
    functional.rms_norm: _rms_norm,
    functional.group_norm: _group_norm,
}
"""Normalisation over channels -> the same with the statistics of the elements that are kept.

Its first argument says which those are: 1 for kept and 0 for others, of the input's shape.
"""
