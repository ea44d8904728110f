"""Training recipes: how long, how fast and how large the steps are."""

import math
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """SGD with momentum at a learning rate that is constant within an epoch.

    Args:
        epochs: Passes over the training set, at least 1.
        batch_size: Images per step, at least 1.
        schedule: (epoch, learning rate) pairs, 0-based and ascending, the first at epoch 0.
        momentum: In [0, 1), without Nesterov's correction.
        weight_decay: At least 0, on all parameters.
    """

    epochs: int
    batch_size: int
    schedule: tuple[tuple[int, float], ...]
    momentum: float
    weight_decay: float

    def rate(self, epoch: int) -> float:
        """Learning rate of a 0-based epoch."""
        return next(rate for start, rate in reversed(self.schedule) if start <= epoch)

    def scaled(self, fraction: float) -> "Recipe":
        """The recipe with a fraction of its epochs, its schedule shrunk with them (Feng et al., Appendix E).

        Boundaries stay distinct and in order; those that no longer fit are dropped with the rates behind them.
        """
        epochs = max(1, round(fraction * self.epochs))
        schedule: list[tuple[int, float]] = []
        for boundary, rate in self.schedule:
            start = round(boundary * epochs / self.epochs)
            start = max(start, schedule[-1][0] + 1) if schedule else 0
            if start < epochs:
                schedule.append((start, rate))
        return replace(self, epochs=epochs, schedule=tuple(schedule))


def parse_recipe(key: str, epochs: int, batch_size: int, lr: str, momentum: float, weight_decay: float) -> Recipe:
    """A recipe from its configuration.

    Args:
        key: The configuration group, `pretrain` or `retrain`, for messages.
        epochs: See `Recipe`.
        batch_size: See `Recipe`.
        lr: `epoch: rate` pairs such as "0: 1e-2, 20: 1e-3".
        momentum: See `Recipe`.
        weight_decay: See `Recipe`.

    Raises:
        ValueError: If a value is out of its range or `lr` is malformed.
    """
    for name, value, rule, holds in (
        ("epochs", epochs, "be at least 1", epochs >= 1),
        ("batch_size", batch_size, "be at least 1", batch_size >= 1),
        ("momentum", momentum, "lie in [0, 1)", 0 <= momentum < 1),
        ("weight_decay", weight_decay, "be at least 0", 0 <= weight_decay < math.inf),
    ):
        if not holds:
            raise ValueError(f"{key}.{name} must {rule}; got {value}")
    return Recipe(epochs, batch_size, _parse_schedule(f"{key}.lr", lr, epochs), momentum, weight_decay)


def _parse_schedule(key: str, text: str, epochs: int) -> tuple[tuple[int, float], ...]:
    rule = f'{key} must be epoch: rate pairs such as "0: 1e-2, 20: 1e-3"'
    try:
        pairs: list[tuple[Any, Any]] = [tuple(pair.split(":")) for pair in text.split(",")]  # type: ignore[misc]
        schedule = tuple((int(epoch), float(rate)) for epoch, rate in pairs)
    except ValueError:
        raise ValueError(f"{rule}; got {text!r}") from None
    starts = [epoch for epoch, _ in schedule]
    if starts[0] != 0 or starts != sorted(set(starts)):
        raise ValueError(f"{rule}, with ascending epochs from 0; got {text!r}")
    if starts[-1] >= epochs:
        raise ValueError(f"{key} must change within the {epochs} epochs of {key.split('.')[0]}.epochs; got {text!r}")
    if not all(0 < rate < math.inf for _, rate in schedule):
        raise ValueError(f"{rule}, with positive rates; got {text!r}")
    return schedule
