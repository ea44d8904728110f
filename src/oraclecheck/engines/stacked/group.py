"""Runs that are done at the same time: pruned and measured one by one, retrained together."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from oraclecheck.data.images import ImageData, ImageSet
from oraclecheck.engines.engine import Prune, Retraining, Run, Tell
from oraclecheck.engines.evaluation import Evaluation, evaluate
from oraclecheck.engines.recipe import Recipe
from oraclecheck.engines.stacked.conditions import INSTEAD
from oraclecheck.engines.stacked.evaluation import evaluate_stack
from oraclecheck.engines.stacked.step import Step
from oraclecheck.pruning.combination import Removed

Measured = tuple[Evaluation, Evaluation]
"""A network on the training set and on the test set."""


@dataclass
class Member:
    """A run of a group, and how far it is."""

    run: Run
    network: nn.Module  # on the CPU: pruned, and in the end retrained
    pruned: Measured
    seconds: dict[str, float]
    history: list[dict[str, float]] = field(default_factory=list)
    final: Measured | None = None  # once nothing more is to be done with it
    error: Exception | None = None  # that ended it

    def result(self) -> Retraining | Exception:
        """What came of it."""
        if self.error is not None:
            return self.error
        assert self.final is not None
        evaluations = (*self.pruned, *self.final)
        diverged = not math.isfinite(self.history[-1]["train_loss"]) or any(each.diverged for each in evaluations)
        seconds = {**self.seconds, "total": sum(self.seconds.values())}
        return Retraining(self.network, *evaluations, self.history, diverged, seconds)


class Task:
    """What the runs of a study have in common; see `Engine`."""

    def __init__(
        self, dense: nn.Module, prune: Prune, data: ImageData, recipe: Recipe, precision: str, tell: Tell | None
    ) -> None:
        if not isinstance(data.train, ImageSet):
            raise ValueError(f"data must lie in memory for engine=stacked: {INSTEAD}")
        self.train: ImageSet = data.train
        self.data, self.recipe, self.precision = data, recipe, precision
        self._dense, self._prune = dense, prune
        self._tell = tell or (lambda run, entry: None)
        self._last: tuple[Removed, list[Tensor], Measured] | None = None

    def begin(self, run: Run) -> Member:
        """Prune the dense network and measure the result alone, bit for bit as the Lightning engine does.

        What is measured before retraining is a score of the combination, the same in each of its repeats.
        """
        start = time.perf_counter()
        network = self._prune(self._dense, run.removed)
        state = [tensor.clone() for tensor in network.state_dict().values()]
        last = self._last
        # repeats come one after the other; they begin with equal networks, unless these are made anew for each
        if last is None or last[0] != run.removed or not all(map(torch.equal, last[1], state)):
            last = self._last = run.removed, state, self._measure(network)
        train, test = last[2]
        self._tell(run, {**train.columns("pruned_train"), **test.columns("pruned_test")})
        return Member(run, network, (train, test), {"prune": time.perf_counter() - start})

    def _measure(self, network: nn.Module) -> Measured:
        network.to(self.train.device)
        measured = evaluate(network, self.data.measured_train), evaluate(network, self.data.test)
        network.cpu()
        return measured

    def retrain(self, members: Sequence[Member], step: Step) -> None:
        """Retrain networks together; one that diverges ends there, and the others go on.

        Args:
            members: At most as many as the step has places; each of the others gets a copy of the first.
            step: What trains them.
        """
        start, recipe = time.perf_counter(), self.recipe
        vacant = step.stack.size - len(members)
        filled = [*members, *[members[0]] * vacant]
        step.load([member.network for member in filled], [member.run.seed for member in filled])
        batches = [self.train.shuffled(recipe.batch_size, member.run.seed) for member in members]
        for member in members:  # there may have been an attempt that memory ended
            member.history, member.final = [], None
        drawn = [each.draw() for each in batches]
        for epoch in range(recipe.epochs):
            step.epoch([*drawn, *[drawn[0]] * vacant], recipe.rate(epoch))
            drawn = [each.draw() for each in batches]  # while a GPU is busy with the steps
            tests = evaluate_stack(step.stack, self.data.test)
            for place, (loss, test) in enumerate(zip(step.losses(), tests, strict=True)):
                if place < len(members) and members[place].final is None:
                    self._note(members[place], epoch, loss, test)
                    if not math.isfinite(loss) or test.diverged:
                        self._end_early(members[place], place, step, test)
            if all(member.final for member in members):
                break
        else:
            trains = evaluate_stack(step.stack, self.data.measured_train)
            for place, member in enumerate(members):
                if member.final is None:
                    step.stack.unload(place, member.network)
                    member.final = trains[place], tests[place]
        for member in members:
            member.seconds["retrain"] = (time.perf_counter() - start) / len(members)

    def _note(self, member: Member, epoch: int, loss: float, test: Evaluation) -> None:
        entry = {
            "epoch": epoch,
            "lr": self.recipe.rate(epoch),
            "train_loss": loss,
            "test_loss": test.loss,
            "test_accuracy": test.accuracy,
        }
        member.history.append(entry)
        self._tell(member.run, entry)

    def _end_early(self, member: Member, place: int, step: Step, test: Evaluation) -> None:
        """Take a network that has diverged out as it is now; what its place holds from now on is nobody's."""
        step.stack.unload(place, member.network)
        member.final = self._measure(member.network)[0], test
