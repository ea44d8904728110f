"""Work that a GPU is told once and repeats: hundreds of small kernels for the price of one launch."""

from collections.abc import Callable
from typing import Any

import torch

WARM_UP = 3  # runs before a capture, in which libraries choose and allocate what they need


class Captured:
    """Work on tensors that stay where they are; on a GPU it is captured as a CUDA graph, elsewhere it is simply done.

    Args:
        work: Takes and gives nothing, asks the device for nothing, and does the same at every call. Capturing does it a
            few times: what it changes has to be put right afterwards.
        device: Where.
        after: Captured before, with which it may share its memory, as nothing in it outlasts a call.
    """

    def __init__(self, work: Callable[[], None], device: torch.device, after: "Captured | None" = None) -> None:
        self._work = work
        self._graph: Any = None
        if device.type == "cuda":
            self._graph = _captured(work, after)

    def __call__(self) -> None:
        """Do it."""
        if self._graph is None:
            self._work()
        else:
            self._graph.replay()


def _captured(work: Callable[[], None], after: Captured | None) -> "torch.cuda.CUDAGraph":
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool=None if after is None else after._graph.pool()):
        work()
    return graph
