"""What tells one unstructured combination from another: the method, the noise and the seed that drew it.

In records and tables it stands where other studies have removed filters. Layers of thousands of weights are not listed;
the SHA-256 of the masks, under `mask`, proves which they were. It follows from the rest and the dense network, so it
tells nothing apart.
"""

import math
from collections.abc import Mapping
from typing import Any

METHOD, NOISE, SEED, MASK = "method", "noise", "seed", "mask"
_NAMES = {METHOD, NOISE, SEED}

MaskChoice = dict[str, Any]
"""`method`; `noise`, 0 for the method itself and None for `random`; `seed`, None where nothing is drawn; `mask`."""

MOST_SHOWN = 8  # letters of a hash


def is_mask_choice(removed: Any) -> bool:
    """Whether what a combination removed is said in this way, and not by layers with their filters."""
    return isinstance(removed, Mapping) and isinstance(removed.get(METHOD), str)


def without_hash(choice: Mapping[str, Any]) -> MaskChoice:
    """What is known of a combination before its masks are made."""
    return {name: value for name, value in choice.items() if name != MASK}


def spell_choice(choice: Mapping[str, Any]) -> str:
    """For a reader: "weights by global, noise 0.1, mask 0f3a9c21"."""
    noise = f", noise {choice[NOISE]:g}" if choice[NOISE] else ""
    mask = f", mask {choice[MASK][:MOST_SHOWN]}" if choice.get(MASK) else ""
    return f"weights by {choice[METHOD]}{noise}{mask}"


def choice_flaw(choice: Mapping[str, Any]) -> str | None:
    """What is wrong with a record's choice, in words that follow "removed must"; None if nothing is."""
    if set(choice) - {MASK} != _NAMES:
        return "have method, noise and seed, and may have mask"
    noise, seed, mask = choice[NOISE], choice[SEED], choice.get(MASK)
    if noise is not None and (type(noise) not in (int, float) or not 0 <= noise < math.inf):
        return "have null or a number of at least 0 for noise"
    if seed is not None and (type(seed) is not int or not 0 <= seed < 2**63):
        return "have null or a number that fits into 63 bits for seed"
    if mask is not None and not (isinstance(mask, str) and len(mask) == 64 and set(mask) <= set("0123456789abcdef")):
        return "have a SHA-256 for mask"
    return None
