"""Work that a GPU is told once and repeats: hundreds of small kernels for the price of one launch."""

from collections.abc import Callable
from functools import cache

import torch

WARM_UP = 3  # runs before a capture, in which libraries choose and allocate what they need


class Captured:
    """Work on tensors that stay where they are; on a GPU it is captured as a CUDA graph, elsewhere it is simply done.

    Args:
        work: Takes and gives nothing, and asks the device for nothing. Capturing does it a few times: what it changes
            has to be put right afterwards.
        device: Where.
        again: Makes it possible to do the work once more.
        after: Captured before, with which it shares its memory, as nothing in it outlasts a call.
    """

    def __init__(
        self,
        work: Callable[[], None],
        device: torch.device,
        again: Callable[[], object],
        after: "Captured | None" = None,
    ) -> None:
        self._graph: torch.cuda.CUDAGraph | None = None
        if device.type == "cuda":
            self._graph = capture(work, again, None if after is None else after._graph)
        self._work = work if self._graph is None else None  # a graph holds all it needs

    def __call__(self) -> None:
        """Do it."""
        if self._graph is not None:
            self._graph.replay()
        elif self._work is not None:
            self._work()


def capture(
    work: Callable[[], None], again: Callable[[], object], after: torch.cuda.CUDAGraph | None
) -> torch.cuda.CUDAGraph | None:
    """The CUDA graph of some work; see `Captured`."""
    current, side = torch.cuda.current_stream(), _side_stream()
    side.wait_stream(current)
    with torch.cuda.stream(side):  # a capture that breaks off may leave its stream in the place of the current one
        for _ in range(WARM_UP):
            again()
            work()
        again()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=None if after is None else after.pool(), stream=side):
            work()
    current.wait_stream(side)
    return graph


@cache
def _side_stream() -> torch.cuda.Stream:
    """The stream of all captures: graphs share memory only within a stream, for which libraries keep some of theirs."""
    return torch.cuda.Stream()
