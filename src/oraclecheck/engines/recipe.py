"""Training recipes: how long, how fast and how large the steps are."""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from oraclecheck.engines.schedule import Schedule, parse_schedule

COSINE, BY_STEP = "cosine", "cosine_by_step"
"""Decays along half a cosine: by epoch, and by step, which only language models do."""

MOST = 1_000_000_000
"""Epochs and images of a batch: more overflow torch's integers."""


@dataclass(frozen=True)
class Recipe:
    """An optimizer at a learning rate that is constant within an epoch or a step, and how the loss is regularised.

    Args:
        epochs: Passes over the training set, at least 1.
        batch_size: Images per step, at least 1.
        schedule: (epoch, learning rate) pairs, 0-based and ascending, the first at epoch 0.
        momentum: In [0, 1), without Nesterov's correction; AdamW's first beta.
        weight_decay: At least 0, on all parameters.
        optimizer: "sgd", or "adamw" with 0.999 as its second beta.
        decay: "step": the rates of the schedule; "cosine": its only rate falls to `lr_min` along half a cosine, from
            epoch to epoch; "cosine_by_step": from step to step.
        label_smoothing: In [0, 1), of the loss that is trained; no metric knows it.
        mixup: Alpha of the Beta distribution that images are mixed by; 0 for none.
        cutmix: Alpha of the Beta distribution that patches are sized by; 0 for none.
        gradient_clip: Largest norm of the gradient of all parameters; None for any.
        lr_min: What a cosine falls to, at the end of the last epoch.
    """

    epochs: int
    batch_size: int
    schedule: Schedule
    momentum: float
    weight_decay: float
    optimizer: str = "sgd"
    decay: str = "step"
    label_smoothing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    gradient_clip: float | None = None
    lr_min: float = 0.0

    def rate(self, epoch: float) -> float:
        """Learning rate of a 0-based epoch, at its start; the fourth of eight steps of the first is at 3 / 8."""
        rate = next(rate for start, rate in reversed(self.schedule) if start <= epoch)
        if self.decay not in (COSINE, BY_STEP):
            return rate
        return self.lr_min + (rate - self.lr_min) * (1 + math.cos(math.pi * epoch / self.epochs)) / 2

    @property
    def described(self) -> dict[str, Any]:
        """What defines it, for what is identified by it; a least rate of 0 is left unsaid."""
        described = asdict(self)
        if not self.lr_min:
            del described["lr_min"]
        return described

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
        lr: A schedule, see `parse_schedule`.
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
    schedule = parse_schedule(f"{key}.lr", lr, recipe.epochs, cut_off)
    if recipe.decay != "step" and len(schedule) > 1:
        raise ValueError(
            f'{key}.lr must be one rate, such as "0: 1e-3", where {key}.schedule is {recipe.decay}; got {lr!r}'
        )
    if recipe.lr_min and recipe.decay == "step":
        raise ValueError(f"{key}.lr_min must be 0 unless {key}.schedule is cosine; got {recipe.lr_min}")
    if not 0 <= recipe.lr_min <= schedule[0][1]:
        raise ValueError(f"{key}.lr_min must lie in [0, {schedule[0][1]}], below the first rate; got {recipe.lr_min}")
    return replace(recipe, schedule=schedule)
