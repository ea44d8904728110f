"""Training in bfloat16 also under `torch.func.vmap`, which takes some functions apart before autocast sees them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

CONVOLUTIONS = frozenset({torch.conv1d, torch.conv2d, torch.conv3d})
NORMALISATIONS = frozenset(
    getattr(home, name)
    for name in ("batch_norm", "instance_norm", "group_norm", "layer_norm", "rms_norm")
    for home in (torch, functional)
)


class _Casts(TorchFunctionMode):
    """Casts what convolutions take to bfloat16, and what is normalised to float32."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        arguments: Sequence[Any] = (),
        keywords: Mapping[str, Any] | None = None,
    ) -> Any:
        if function in CONVOLUTIONS:
            arguments = [each.bfloat16() if isinstance(each, Tensor) else each for each in arguments]
        elif function in NORMALISATIONS:
            arguments = [arguments[0].float(), *arguments[1:]]
        return function(*arguments, **(keywords or {}))


@contextmanager
def bfloat16(device: torch.device, *, stacked: bool) -> Iterator[None]:
    """Compute products in bfloat16, while weights and long sums stay in float32.

    Args:
        device: On which.
        stacked: Whether it is done to several networks at once.
    """
    # a step that is captured and played again must not hold weights that were cast for the step before
    with torch.autocast(device.type, torch.bfloat16, cache_enabled=False), _Casts() if stacked else nullcontext():
        yield
