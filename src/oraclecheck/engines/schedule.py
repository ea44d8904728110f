"""Learning-rate schedules as configurations say them: `epoch: rate` pairs, or a rule that gives them."""

import math
import re
from decimal import Decimal

Schedule = tuple[tuple[int, float], ...]
"""(epoch, learning rate) pairs, 0-based and ascending, the first at epoch 0."""

LONGEST_STAGE = 30
"""Epochs, of a stage of the halving rule."""


def halving(
    epochs: int, first: float | str, last: float | str, extra: int = 0, longest: int = LONGEST_STAGE
) -> Schedule:
    """The halving rule for retraining schedules (Wang et al., arXiv 2301.05219).

    Half of the epochs go to the first rate, half of the rest to the next, and so on, at most 30 to a stage, halves
    rounded up; each rate is a tenth of the one before, and the last one has the epochs that are left.

    Args:
        epochs: Without the extra ones.
        first: The first rate.
        last: The last rate: a power of ten below the first, or the same.
        extra: Epochs that the first stage has besides.
        longest: Most epochs of a stage, but for those besides and for the last one.

    Raises:
        ValueError: If the last rate is not reached by tenths, or there are too few epochs for every rate to have one.
    """
    rates = _tenths(Decimal(str(first)), Decimal(str(last)), epochs)
    schedule: list[tuple[int, float]] = []
    start, left = 0, epochs
    for rate in rates:
        if left < 1:
            raise ValueError(f"have an epoch for each of its {len(rates)} rates; there are {epochs}")
        schedule.append((start, rate))
        stage = min(longest, math.ceil(left / 2))
        left -= stage
        start += stage + (extra if len(schedule) == 1 else 0)
    return tuple(schedule)


def _tenths(first: Decimal, last: Decimal, epochs: int) -> list[float]:
    """The rates from the first to the last, each a tenth of the one before; no more than one beyond the epochs."""
    rates = [first]
    while rates[-1] > last:
        if len(rates) > epochs:
            raise ValueError(f"have an epoch for each of its rates; there are {epochs}")
        rates.append(rates[-1].scaleb(-1))
    if rates[-1] != last or last <= 0:
        raise ValueError("come from its first to its last rate by tenths")
    return [float(rate) for rate in rates]


_HALVING = re.compile(r"halving\s+(\S+)\s+to\s+(\S+?)(?:\s+at\s+most\s+(\d+))?(?:\s+\+\s*(\d+))?", re.ASCII)


def parse_schedule(key: str, text: str, epochs: int, cut_off: bool) -> Schedule:
    """A schedule from its configuration.

    Args:
        key: The configuration key, for messages.
        text: `epoch: rate` pairs, or "halving RATE to RATE", where "at most N" makes stages of N epochs the longest,
            instead of 30, and +N gives N of the epochs to the first stage alone.
        epochs: Of the whole training.
        cut_off: Whether rates that the epochs do not reach are dropped, and not refused.

    Raises:
        ValueError: If it is malformed, or does not fit the epochs.
    """
    if text.strip().startswith("halving"):
        return _parse_halving(key, text, epochs)
    rule = f'{key} must be epoch: rate pairs such as "0: 1e-2, 20: 1e-3"'
    try:
        pairs = [pair.split(":") for pair in text.split(",")]
        schedule = tuple((int(epoch), float(rate)) for epoch, rate in pairs)
    except ValueError:
        raise ValueError(f"{rule}; got {text!r}") from None
    starts = [epoch for epoch, _ in schedule]
    if starts[0] != 0 or starts != sorted(set(starts)):
        raise ValueError(f"{rule}, with ascending epochs from 0; got {text!r}")
    if starts[-1] >= epochs and not cut_off:
        group = key.rpartition(".")[0]
        raise ValueError(
            f"{key} must change within the {epochs} epochs of {group}.epochs; got {text!r}: {group}.fraction scales "
            "both"
        )
    if not all(0 < rate < math.inf for _, rate in schedule):
        raise ValueError(f"{rule}, with positive rates; got {text!r}")
    return tuple((epoch, rate) for epoch, rate in schedule if epoch < epochs)


def _parse_halving(key: str, text: str, epochs: int) -> Schedule:
    match = _HALVING.fullmatch(text.strip())
    try:
        first, last = (Decimal(match[i]) for i in (1, 2)) if match else (None, None)
        finite = first is not None and last is not None and all(0 < float(rate) < math.inf for rate in (first, last))
    except ArithmeticError:
        finite = False
    if not match or not finite:
        raise ValueError(f'{key} must be "halving RATE to RATE", maybe with +EPOCHS for its first stage; got {text!r}')
    longest, extra = int(match[3] or LONGEST_STAGE), int(match[4] or 0)
    if longest < 1:
        raise ValueError(f"{key} must leave its stages an epoch; got {text!r}")
    if extra >= epochs:
        raise ValueError(f"{key} must leave epochs beside the +{extra} of its first stage; got {epochs} in all")
    try:
        return halving(epochs - extra, match[1], match[2], extra, longest)
    except ValueError as error:
        raise ValueError(f"{key} must {error}; got {text!r}") from None
