"""CUDA graphs played on the CPU: what a step does is written down once, then done again to the same tensors."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

FORBIDDEN = ("_local_scalar_dense", "item", "nonzero", "lift_fresh", "is_nonzero", "equal", "masked_select")
"""What asks a device for a number, or brings it one: no CUDA graph holds that."""


class Replayed(TorchDispatchMode):
    """Stands for a `torch.cuda.CUDAGraph`: notes every operation, with Python's numbers as they are then.

    Playing does each of them again on the memory that it had: what a call was given anew for another would be missed,
    as a GPU misses it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[tuple[Callable[..., Any], Any, Any, Any]] = []

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
        name = function.name().removeprefix("aten::").partition(".")[0]
        assert name not in FORBIDDEN and torch.Tag.nondeterministic_seeded not in function.tags, f"{name} in a capture"
        result = function(*arguments, **(keywords or {}))
        self.notes.append((function, arguments, keywords or {}, result))
        return result

    def replay(self) -> None:
        """Do it again."""
        with torch.no_grad():
            for function, arguments, keywords, before in self.notes:
                if function.is_view:
                    continue
                now = function(*arguments, **keywords)
                for old, new in zip(tree_leaves(before), tree_leaves(now), strict=True):
                    if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                        old.copy_(new)


def replayed(work: Callable[[], None], again: Callable[[], object], after: Any) -> Replayed:
    """In the place of `capture.capture`."""
    again()
    work()
    again()
    noted = Replayed()
    with noted:
        work()
    return noted
