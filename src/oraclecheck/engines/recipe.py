"""Training recipes: how long, how fast and how large the steps are."""

import math
from dataclasses import dataclass, replace
from typing import Any

MOST = 1_000_000_000
"""Epochs and images of a batch: more overflow torch's integers."""


@dataclass(frozen=True)
class Recipe:
    """An optimizer at a learning rate that is constant within an epoch, and how the loss is regularised.

    Args:
        epochs: Passes over the training set, at least 1.
        batch_size: Images per step, at least 1.
        schedule: (epoch, learning rate) pairs, 0-based and ascending, the first at epoch 0.
        momentum: In [0, 1), without Nesterov's correction; AdamW's first beta.
        weight_decay: At least 0, on all parameters.
        optimizer: "sgd", or "adamw" with 0.999 as its second beta.
        decay: "step": the rates of the schedule; "cosine": its only rate falls to 0 along half a cosine.
        label_smoothing: In [0, 1), of the loss that is trained; no metric knows it.
        mixup: Alpha of the Beta distribution that images are mixed by; 0 for none.
        cutmix: Alpha of the Beta distribution that patches are sized by; 0 for none.
        gradient_clip: Largest norm of the gradient of all parameters; None for any.
    """

    epochs: int
    batch_size: int
    schedule: tuple[tuple[int, float], ...]
    momentum: float
    weight_decay: float
    optimizer: str = "sgd"
    decay: str = "step"
    label_smoothing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    gradient_clip: float | None = None

    def rate(self, epoch: int) -> float:
        """Learning rate of a 0-based epoch."""
        rate = next(rate for start, rate in reversed(self.schedule) if start <= epoch)
        return rate * (1 + math.cos(math.pi * epoch / self.epochs)) / 2 if self.decay == "cosine" else rate

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


def parse_recipe(key: str, lr: str, cut_off: bool = False, **values: Any) -> Recipe:
    """A recipe from its configuration.

    Args:
        key: The configuration group, `pretrain` or `retrain`, for messages.
        lr: `epoch: rate` pairs such as "0: 1e-2, 20: 1e-3".
        cut_off: Whether rates that the epochs do not reach are dropped, and not refused.
        **values: The other fields of `Recipe`.

    Raises:
        ValueError: If a value is out of its range or `lr` is malformed.
    """
    recipe = Recipe(schedule=(), **values)
    clip = recipe.gradient_clip
    for name, value, rule, holds in (
        ("epochs", recipe.epochs, "be at least 1", recipe.epochs >= 1),
        ("epochs", recipe.epochs, f"be at most {MOST:,}", recipe.epochs <= MOST),
        ("batch_size", recipe.batch_size, "be at least 1", recipe.batch_size >= 1),
        ("batch_size", recipe.batch_size, f"be at most {MOST:,}", recipe.batch_size <= MOST),
        ("momentum", recipe.momentum, "lie in [0, 1)", 0 <= recipe.momentum < 1),
        ("weight_decay", recipe.weight_decay, "be at least 0", 0 <= recipe.weight_decay < math.inf),
        ("label_smoothing", recipe.label_smoothing, "lie in [0, 1)", 0 <= recipe.label_smoothing < 1),
        ("mixup", recipe.mixup, "be at least 0", 0 <= recipe.mixup < math.inf),
        ("cutmix", recipe.cutmix, "be at least 0", 0 <= recipe.cutmix < math.inf),
        ("gradient_clip", clip, "be positive, or null for none", clip is None or 0 < clip < math.inf),
    ):
        if not holds:
            raise ValueError(f"{key}.{name} must {rule}; got {value}")
    schedule = _parse_schedule(f"{key}.lr", lr, recipe.epochs, cut_off)
    if recipe.decay == "cosine" and len(schedule) > 1:
        raise ValueError(f'{key}.lr must be one rate, such as "0: 1e-3", where {key}.schedule is cosine; got {lr!r}')
    return replace(recipe, schedule=schedule)


def _parse_schedule(key: str, text: str, epochs: int, cut_off: bool) -> tuple[tuple[int, float], ...]:
    rule = f'{key} must be epoch: rate pairs such as "0: 1e-2, 20: 1e-3"'
    try:
        pairs: list[tuple[Any, Any]] = [tuple(pair.split(":")) for pair in text.split(",")]  # type: ignore[misc]
        schedule = tuple((int(epoch), float(rate)) for epoch, rate in pairs)
    except ValueError:
        raise ValueError(f"{rule}; got {text!r}") from None
    starts = [epoch for epoch, _ in schedule]
    if starts[0] != 0 or starts != sorted(set(starts)):
        raise ValueError(f"{rule}, with ascending epochs from 0; got {text!r}")
    if starts[-1] >= epochs and not cut_off:
        group = key.split(".")[0]
        raise ValueError(
            f"{key} must change within the {epochs} epochs of {group}.epochs; got {text!r}: {group}.fraction scales "
            "both"
        )
    if not all(0 < rate < math.inf for _, rate in schedule):
        raise ValueError(f"{rule}, with positive rates; got {text!r}")
    return tuple((epoch, rate) for epoch, rate in schedule if epoch < epochs)
