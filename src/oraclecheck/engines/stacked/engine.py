"""The engine that retrains many networks at once, on whatever device torch has.

What it does to each of them is what the Lightning engine does: the same order of images, augmentations, optimizer,
rates and measurements. The sums of float32 numbers are in another order, which depends on how many networks there are.
"""

import gc
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import torch
from torch import nn

from oraclecheck.data.images import ImageData
from oraclecheck.engines.engine import Prune, Retraining, Run, Tell
from oraclecheck.engines.recipe import Recipe
from oraclecheck.engines.stacked.group import Member, Task
from oraclecheck.engines.stacked.memory import causes, is_out_of_memory, networks_that_fit
from oraclecheck.engines.stacked.step import Step
from oraclecheck.engines.trainer import TrainerSettings


class StackedEngine:
    """See `Engine`. Made for one study: what is captured for its networks' shape is kept from group to group.

    A group that lacks runs is filled up with copies of its first one: to `networks`, or where nobody says how many are
    retrained at once to a power of two. So a study needs few captures, and a result does not depend on its neighbours;
    how many there are, and on CPUs its place among them, decide how sums are rounded.

    Args:
        networks: How many are retrained at once, unless memory holds fewer; None for as many as it holds.
    """

    def __init__(self, networks: int | None) -> None:
        self._asked, self._most = networks, networks
        self._step: Step | None = None

    def __call__(
        self,
        runs: Iterable[Run],
        dense: nn.Module,
        prune: Prune,
        data: ImageData,
        recipe: Recipe,
        trainer: TrainerSettings,
        tell: Tell | None = None,
    ) -> Iterator[Retraining | Exception]:
        """See `Engine`."""
        torch.set_num_threads(trainer.threads)
        task, waiting = Task(dense, prune, data, recipe, trainer.precision, tell), iter(runs)
        for first in waiting:
            group = [_begin(task, first)]
            if isinstance(group[0], Member):
                room = self._room(group[0].network, task)
                group += [_begin(task, run) for run in islice(waiting, room - 1)]
            self._retrain([each for each in group if isinstance(each, Member)], task)
            yield from (each.result() if isinstance(each, Member) else each for each in group)

    def _room(self, network: nn.Module, task: Task) -> int:
        """How many runs to take on at once."""
        if self._most is None:
            self._most = networks_that_fit(network, task)
        return self._most

    def _retrain(self, members: Sequence[Member], task: Task) -> None:
        """Retrain the runs of a group, fewer at once if memory cannot hold so many."""
        left = list(members)
        while left:
            part = left[: self._most]
            if self._attempt(part, task):
                left = left[len(part) :]

    def _attempt(self, members: Sequence[Member], task: Task) -> bool:
        """Retrain runs at once; gives whether they are over, one way or the other."""
        size = self._size(len(members))
        try:
            task.retrain(members, self._step_of(members[0].network, size, task))
            return True
        except Exception as error:
            self._step = None
            for each in causes(error):
                traceback.clear_frames(each.__traceback__)  # they hold what fills the memory
            if not is_out_of_memory(error) or size == 1:
                for member in members:
                    member.error = error
                return True
        gc.collect()
        torch.cuda.empty_cache()
        self._most = size // 2
        print(
            f"oraclecheck: engine.networks={size} does not fit into memory: going on with {self._most}",
            file=sys.stderr,
            flush=True,
        )
        return False

    def _size(self, runs: int) -> int:
        """Places for so many runs."""
        assert self._most is not None
        return self._most if self._asked else min(self._most, 1 << (runs - 1).bit_length())

    def _step_of(self, network: nn.Module, size: int, task: Task) -> Step:
        """The step that was captured for so many networks like this one, or a new one."""
        step = self._step
        if step is None or not step.serves(network, size, task.train, task.recipe, task.precision):
            self._step = None  # two would not fit
            self._step = Step(network, size, task.train, task.recipe, task.precision)
        assert self._step is not None
        return self._step


def _begin(task: Task, run: Run) -> Member | Exception:
    try:
        return task.begin(run)
    except Exception as error:
        return error
