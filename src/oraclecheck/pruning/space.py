"""Combination spaces: the integer that names each combination of a study.

A combination space is the product, over the prunable layers, of all ways to remove a given number of filters. Every
combination has an index, so thousands of processes can share a study without talking to each other: each turns its
index into filters alone. Small spaces are enumerated in lexicographic order; large ones are visited in the order of a
keyed permutation of [0, size), which gives distinct, prefix-stable samples without drawing the earlier ones first.
"""

import hashlib
import math
import operator
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from oraclecheck.pruning.combination import LayerChoice, Removed
from oraclecheck.spelling import SPELT_OUT, spell_number

ENUMERATION_LIMIT = 1000
"""Largest space that `order="auto"` enumerates: the number of combinations the paper retrains per setting."""

ROUNDS = 10
"""Feistel rounds, as in FF1 (NIST SP 800-38G): four suffice for wide blocks, but blocks here may have two bits."""


@dataclass(frozen=True)
class CombinationSpace:
    """All combinations of a choice of layers, each named by an index in [0, size).

    Attributes:
        layers: The prunable layers; the last one varies fastest in lexicographic order.
        order: "lexicographic", that of `itertools.product` over `itertools.combinations` of removed filters, or
            "sampled", the same list shuffled by a permutation that `seed` keys.
        seed: Key of the sampled order, any integer; without effect in lexicographic order.

    Raises:
        ValueError: If two layers share a name or the order is unknown.
    """

    layers: tuple[LayerChoice, ...]
    order: str = "lexicographic"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse an order or layers that would make an index ambiguous."""
        if self.order not in ("lexicographic", "sampled"):
            raise ValueError(
                f"order must be lexicographic, sampled, or auto where a space is built with of(); got {self.order!r}"
            )
        names = [layer.name for layer in self.layers]
        repeated = next((name for name in names if names.count(name) > 1), None)
        if repeated is not None:
            raise ValueError(f"layers must be named once each; got {repeated} more than once")

    @classmethod
    def of(cls, layers: Iterable[LayerChoice], order: str = "auto", seed: int = 0, **others: Any) -> Self:
        """Space of some layers, its order also "auto": lexicographic up to `ENUMERATION_LIMIT` combinations.

        The `others` are what a subclass has besides.
        """
        enumerated = cls(tuple(layers), **others)
        if order == "auto":
            order = "lexicographic" if enumerated.size <= ENUMERATION_LIMIT else "sampled"
        return cls(enumerated.layers, order, seed, **others)

    @cached_property
    def _layer_sizes(self) -> tuple[int, ...]:
        return tuple(self._size_of(layer) for layer in self.layers)

    def _size_of(self, layer: LayerChoice) -> int:
        """Ways to choose in one layer."""
        return math.comb(layer.filters, layer.removed)

    def _choice(self, index: int, layer: LayerChoice) -> tuple[int, ...]:
        """Way number `index` to choose in one layer."""
        return combination_of(index, layer.filters, layer.removed)

    @cached_property
    def size(self) -> int:
        """Number of combinations, exact."""
        return math.prod(self._layer_sizes)

    @property
    def recorded_size(self) -> int | None:
        """The size, or None from 10^300 on: neither floats nor JSON parsers hold such a number."""
        return self.size if self.size < 10**300 else None

    def shapes(self) -> list[Removed]:
        """For every shape that networks are retrained in a combination that has it, the first filters of each layer."""
        return [{layer.name: tuple(range(layer.removed)) for layer in self.layers}]

    def unrank(self, index: int) -> Removed:
        """Combination with this index, at the same cost for every index.

        Raises:
            ValueError: If the index lies outside [0, size).
        """
        index = operator.index(index)  # a NumPy integer would overflow below
        if not 0 <= index < self.size:
            last = self.size - 1 if self.size < SPELT_OUT else "size-1"
            size = f"{spell_number(self.size)} combination{'s' if self.size > 1 else ''}"
            raise ValueError(f"combo must lie in 0..{last} (the space has {size}); got {spell_number(index)}")
        if self.order == "sampled":
            index = _permute(index, self.size, self.seed)
        chosen: list[tuple[int, ...]] = []
        for layer, layer_size in zip(reversed(self.layers), reversed(self._layer_sizes), strict=True):
            index, layer_index = divmod(index, layer_size)
            chosen.append(self._choice(layer_index, layer))
        return {layer.name: filters for layer, filters in zip(self.layers, reversed(chosen), strict=True)}

    def index_at(self, place: int) -> int:
        """The index of the combination at a place of the lexicographic order, 0-based, whatever the order is."""
        assert 0 <= place < self.size
        return _permute(place, self.size, self.seed, back=True) if self.order == "sampled" else place


def combination_of(index: int, filters: int, removed: int) -> tuple[int, ...]:
    """Combination number `index` of one layer in the order of `itertools.combinations`."""
    missing = removed
    if missing == 0:
        return ()
    chosen = []
    # Combinations that begin with the candidate: C(behind, missing - 1). It is carried from candidate to candidate by
    # one exact multiplication and division; a fresh binomial at each step would cost the square of the layer's width.
    beginning = math.comb(filters - 1, missing - 1)
    for candidate in range(filters):
        behind = filters - 1 - candidate
        if index < beginning:
            chosen.append(candidate)
            missing -= 1
            if missing == 0:
                break
            beginning = beginning * missing // behind
        else:
            index -= beginning
            beginning = beginning * (behind - missing + 1) // behind
    return tuple(chosen)


def _permute(value: int, size: int, seed: int, *, back: bool = False) -> int:
    """Image of a value under a permutation of [0, size) keyed by the seed, any integer; or `back`, its origin.

    A balanced Feistel network permutes the next even power of two; walking its cycle until the value falls below
    `size` again restricts that to a permutation of [0, size) (Black and Rogaway, "Ciphers with Arbitrary Finite
    Domains", 2002). The power is below 4 * size, so fewer than four walks are expected, whatever the value.
    """
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    mask = (1 << half) - 1
    while True:
        left, right = value >> half, value & mask
        for number in reversed(range(ROUNDS)) if back else range(ROUNDS):
            if back:
                left, right = right ^ _scramble(left, half, number, seed), left
            else:
                left, right = right, left ^ _scramble(right, half, number, seed)
        value = left << half | right
        if value < size:
            return value


def _scramble(value: int, bits: int, number: int, seed: int) -> int:
    """Round function of the Feistel network: the leading `bits` bits of SHAKE-256 over "seed/number/" and the value.

    Whoever changes it, or `ROUNDS`, renumbers the combinations of every sampled study there is.
    """
    length = (bits + 7) // 8
    message = f"{seed}/{number}/".encode() + value.to_bytes(length, "big")
    return int.from_bytes(hashlib.shake_256(message).digest(length), "big") >> (8 * length - bits)
