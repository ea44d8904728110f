"""A criterion as a command asks for it: a function and its options."""

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from hydra.utils import get_object
from torch import nn

from oraclecheck.criteria.damage import oracle, train_accuracy
from oraclecheck.criteria.measuring import calibration_indices
from oraclecheck.criteria.recorded import PartialAccuracy
from oraclecheck.data.images import LabelledImages
from oraclecheck.errors import tell
from oraclecheck.networks.shadow import identity

_OURS = "oraclecheck.criteria."

_OF_EVALUATION: dict[Any, Callable[[float, float], float]] = {
    oracle: lambda loss, accuracy: loss,
    train_accuracy: lambda loss, accuracy: 1 - accuracy,
}


@dataclass(frozen=True)
class Scorer:
    """A criterion.

    Attributes:
        name: What its table is called.
        target: Its function, or the class of one, as `MODULE.NAME`.
        options: Keyword arguments.
    """

    name: str
    target: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def function(self) -> Callable[..., Any]:
        """What is called.

        Raises:
            ValueError: If it does not take its options.
        """
        found = get_object(self.target)
        try:
            if isinstance(found, type):
                made: Callable[..., Any] = found(**self.options)
                return made
            inspect.signature(found).bind_partial(None, None, **self.options)
        except TypeError as error:
            raise ValueError(f"criterion {self.name} must be given options that {self.target} takes; {error}") from None
        return partial(found, **self.options)

    def described(self) -> dict[str, Any]:
        """What decides the scores of a study: function, options, and for a user's own the content of its file."""
        return {"name": self.name, **identity({"_target_": self.target, **self.options})}

    @property
    def of_evaluation(self) -> Callable[[float, float], float] | None:
        """What makes the score of a pruned network's loss and accuracy; None where it takes more than these."""
        return _OF_EVALUATION.get(get_object(self.target))

    def recorded(self, runs: Sequence[Mapping[str, Any]]) -> float | None:
        """The score of a combination if the records of its runs hold it; None where the criterion has to be run.

        Args:
            runs: Columns of the combination's records; the mean of those that are finite counts, where they differ.
        """
        function = self.function
        if isinstance(function, PartialAccuracy):
            return math.fsum(map(function, runs)) / len(runs) if runs else math.nan
        score, whole = self.of_evaluation, self.options.get("images") is None
        if not runs or not whole or score is None:
            return None
        values = [score(run["pruned_train_loss"], run["pruned_train_accuracy"]) for run in runs]
        finite = list(filter(math.isfinite, values)) or values[:1]
        return finite[0] if len(set(finite)) == 1 else math.fsum(finite) / len(finite)

    def images(self, data: LabelledImages) -> list[int] | None:
        """Which of the training images one of our criteria is measured on, by index.

        Args:
            data: Training images.

        Returns:
            None for all of them, for none, and of a user's own criterion, which chooses by itself.
        """
        if not self.target.startswith(_OURS) or "images" not in self.options:
            return None
        return calibration_indices(data, self.options["images"])

    def ask(self, network: nn.Module, data: LabelledImages, layers: Sequence[str]) -> Any:
        """What the criterion says: filters' scores of a dense network, or the score of a pruned one.

        Args:
            network: On the device of the data; the criterion may change it.
            data: Training images.
            layers: Names of the prunable layers, for functions with a parameter of that name.

        Raises:
            ValueError: If it raises anything.
        """
        function = self.function
        more = {"layers": layers} if "layers" in inspect.signature(function).parameters else {}
        with self.answering():
            return function(network, data, **more)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """While it lasts a network is scored.

        Raises:
            ValueError: If anything is raised.
        """
        try:
            yield
        except ValueError as error:
            raise ValueError(f"criterion {self.name}: {error}") from error
        except Exception as error:
            raise ValueError(
                f"criterion {self.name} must score the network; {self.target} raises {tell(error)}"
            ) from error
