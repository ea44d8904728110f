"""How many networks fit into a GPU's memory, by what two of them take."""

from collections.abc import Iterator

import torch
from torch import nn

from oraclecheck.engines.evaluation import batch_size
from oraclecheck.engines.stacked.evaluation import evaluate_stack
from oraclecheck.engines.stacked.group import Task
from oraclecheck.engines.stacked.step import Step

MOST = 64
"""Networks at once unless somebody asks for more: whoever is killed loses the runs of as many."""

SHARE = 0.8
"""Of the memory that is free; two networks do not tell all about many."""

SAYINGS = ("out of memory", "ALLOC_FAILED", "unable to find an engine")
"""What CUDA, its libraries, and torch where cuDNN had no room for any of its ways to convolve say of full memory."""


def networks_that_fit(network: nn.Module, task: Task) -> int:
    """How many networks a GPU's memory holds while they are trained and measured, at most `MOST`; elsewhere 1.

    On a CPU several at once take longer than one after the other.

    Args:
        network: One of them.
        task: What is done to them.
    """
    device = task.train.device
    if device.type != "cuda":
        return 1
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(device)
    try:
        left = _free_beside_two(network, task)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return 1
    finally:
        torch.cuda.empty_cache()
    return max(1, min(MOST, int(SHARE * 2 * free / max(free - left, 1))))


def _free_beside_two(network: nn.Module, task: Task) -> int:
    """Bytes that are free while two networks have been trained for a step and measured on a batch."""
    step = Step(network, 2, task.train, task.recipe, task.precision)
    test = task.data.test
    evaluate_stack(step.stack, test.subset(torch.arange(min(len(test), batch_size(test.shape)))))
    return torch.cuda.mem_get_info(test.device)[0]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether that is what happened, also where the end of a capture, which it broke off, complains of something."""
    return any(
        isinstance(each, torch.OutOfMemoryError) or any(words in str(each) for words in SAYINGS)
        for each in causes(error)
    )


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An exception, then what it was raised from or while, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
