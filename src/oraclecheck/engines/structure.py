"""Structures of networks: all that decides what a network computes from its parameters and buffers."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

_OF_TORCH = frozenset(vars(nn.Module()))
"""Attributes that every module has: its tensors, submodules, hooks and mode."""

_PLAIN = (bool, int, float, complex, str, bytes, type(None))


def structure(network: nn.Module) -> list[Any]:
    """What two networks have in common that differ only in the values of their parameters and buffers; compare by ==.

    Objects of other classes than Python's own and torch's tensors count by their class alone.
    """
    tensors = [*network.named_parameters(), *network.named_buffers()]
    shapes = [(name, tensor.shape, tensor.dtype, tensor.requires_grad, _layout(tensor)) for name, tensor in tensors]
    return [(name, type(module), _attributes(module)) for name, module in network.named_modules()] + shapes


def _layout(tensor: Tensor) -> tuple[int, ...]:
    """Strides, but for those of dimensions that have only one element, which mean nothing."""
    return tuple(stride for stride, size in zip(tensor.stride(), tensor.shape, strict=True) if size > 1)


def _attributes(module: nn.Module) -> Any:
    return _comparable({name: value for name, value in vars(module).items() if name not in _OF_TORCH})


def _comparable(value: Any) -> Any:
    if isinstance(value, Tensor):
        return tuple(value.shape), None if value.is_meta else value.tolist()
    if isinstance(value, Mapping):
        return {key: _comparable(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set):
        return [_comparable(each) for each in value]
    return value if isinstance(value, _PLAIN) else type(value)
