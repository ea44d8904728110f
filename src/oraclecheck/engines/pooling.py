"""Max-pooling of two by two on a CPU without gradients, bit for bit torch's and several times as fast."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d
from torch.overrides import TorchFunctionMode

TWO, NONE, ONE = (2, (2, 2), [2, 2]), (0, (0, 0), [0, 0]), (1, (1, 1), [1, 1])


def quick_pooling(device: torch.device) -> AbstractContextManager[Any]:
    """Where `max_pool2d`, also of modules, takes the maximum of rows, then of columns, if that gives the same.

    torch's own kernel looks for the place of each maximum too, which gradients need, and looks at one number at a time.
    """
    return _QuickPooling() if device.type == "cpu" else nullcontext()


class _QuickPooling(TorchFunctionMode):
    def __torch_function__(
        self, func: Callable, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if func is max_pool2d and not torch.is_grad_enabled() and _is_two_by_two(*args, **given):
            images = args[0] if args else given["input"]
            high, wide = images.shape[-2] // 2 * 2, images.shape[-1] // 2 * 2
            rows = torch.maximum(images[..., 0:high:2, :wide], images[..., 1:high:2, :wide])
            return torch.maximum(rows[..., 0::2], rows[..., 1::2])
        return func(*args, **given)


def _is_two_by_two(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> bool:
    """Whether pooling is of squares of two by two that touch, over images larger than that."""
    plain = kernel_size in TWO and (stride is None or stride in TWO) and padding in NONE and dilation in ONE
    return plain and not ceil_mode and not return_indices and input.dim() == 4 and min(input.shape[-2:]) > 1
