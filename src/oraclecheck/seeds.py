"""Seeds: every random choice of a run comes from a named seed that is derived from what the run is."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any


def derive_seed(base: int, *parts: Any) -> int:
    """Seed in [0, 2**63) that depends on `base` and on every part, and on nothing else.

    The study is deliberately not among the parts of a run's seed: two wirings or recipes see the same data order and
    can be compared in pairs.

    Args:
        base: The configured seed.
        *parts: What the randomness is for, JSON-serialisable, e.g. the removed filters, the repeat and a purpose.
    """
    text = json.dumps([base, *parts], sort_keys=True)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def run_seed(base: int, removed: Mapping[str, Sequence[int]], repeat: int, purpose: str) -> int:
    """Seed of one run (a combination and a repeat) for one purpose, e.g. "order"."""
    return derive_seed(base, {layer: list(indices) for layer, indices in removed.items()}, repeat, purpose)
