"""Combinations: which filters a pruned network loses, and the integer that names each such choice.

A combination space is the product, over the prunable layers, of all ways to remove a given number of filters. Every
combination has an index, so thousands of processes can share a study without talking to each other: each turns its
index into filters alone. Small spaces are enumerated in lexicographic order; large ones are visited in the order of a
keyed permutation of [0, size), which gives distinct, prefix-stable samples without drawing the earlier ones first.
"""

import difflib
import hashlib
import math
import operator
import re
import reprlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn

Removed = dict[str, tuple[int, ...]]
"""Layer name -> ascending indices of its removed filters, 0-based, in the dense network's numbering."""

ENUMERATION_LIMIT = 1000
"""Largest space that `order="auto"` enumerates: the number of combinations the paper retrains per setting."""

MOST_FILTERS = 65_536
"""Of a layer: more than any network has, and the binomials of it still take less than a second."""

SET_LIMIT = 10_000_000
"""Most indices one set may hold: far beyond what a process can retrain, and what fits in memory as a list."""

ROUNDS = 10
"""Feistel rounds, as in FF1 (NIST SP 800-38G): four suffice for wide blocks, but blocks here may have two bits."""


def removed_count(filters: int, ratio: float) -> int:
    """Number of filters a layer loses at a pruning ratio: `ceil(filters * ratio)`, blind to rounding of the product.

    The slack of 1e-9 keeps 100 * 0.07 = 7.000000000000001 at 7. It equals `int(filters * ratio)` in every setting of
    Feng et al., and only the ceiling gives the speed-ups that Wang et al. (arXiv 2301.05219) publish.

    Args:
        filters: Filters of the dense layer, at least 1.
        ratio: Fraction of them to remove, in [0, 1).

    Raises:
        ValueError: If the ratio lies outside [0, 1).
    """
    if not 0 <= ratio < 1:
        raise ValueError(f"a pruning ratio must be at least 0 and below 1; got {ratio}")
    return math.ceil(filters * ratio - 1e-9)


@dataclass(frozen=True)
class LayerChoice:
    """One prunable layer of a combination space: `removed` of its `filters` go, at least one stays.

    Raises:
        ValueError: If `removed` is negative or leaves no filter, or there are more than `MOST_FILTERS`.
    """

    name: str
    filters: int
    removed: int

    def __post_init__(self) -> None:
        """Refuse a layer that could not be built."""
        if not 0 <= self.removed < self.filters:
            raise ValueError(
                f"a pruning ratio must remove no fewer than 0 and leave at least 1 of the {self.filters} filters "
                f"of {self.name}; got {self.removed} removed"
            )
        if self.filters > MOST_FILTERS:
            raise ValueError(
                f"a layer whose filters are to be chosen must have at most {MOST_FILTERS} of them; {self.name} has "
                f"{_spell(self.filters)}"
            )


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
    def of(cls, layers: Iterable[LayerChoice], order: str = "auto", seed: int = 0) -> "CombinationSpace":
        """Space of the layers in which "auto" has become the order that suits its size.

        Args:
            layers: The prunable layers, with distinct names.
            order: "lexicographic", "sampled", or "auto": lexicographic up to `ENUMERATION_LIMIT` combinations.
            seed: Key of the sampled order.

        Raises:
            ValueError: If two layers share a name or the order is unknown.
        """
        enumerated = cls(tuple(layers), "lexicographic", seed)
        if order == "auto":
            order = "lexicographic" if enumerated.size <= ENUMERATION_LIMIT else "sampled"
        return cls(enumerated.layers, order, seed)

    @cached_property
    def _layer_sizes(self) -> tuple[int, ...]:
        return tuple(math.comb(layer.filters, layer.removed) for layer in self.layers)

    @cached_property
    def size(self) -> int:
        """Number of combinations, exact."""
        return math.prod(self._layer_sizes)

    @property
    def recorded_size(self) -> int | None:
        """The size, or None from 10^300 on: neither floats nor JSON parsers hold such a number."""
        return self.size if self.size < 10**300 else None

    def unrank(self, index: int) -> Removed:
        """Combination with this index, at the same cost for every index.

        Args:
            index: In [0, size).

        Raises:
            ValueError: If the index lies outside [0, size).
        """
        index = operator.index(index)  # a NumPy integer would overflow below
        if not 0 <= index < self.size:
            last = self.size - 1 if self.size < _SPELT_OUT else "size-1"
            noun = "combination" if self.size == 1 else "combinations"
            raise ValueError(
                f"combo must lie in 0..{last} (the space has {_spell(self.size)} {noun}); got {_spell(index)}"
            )
        if self.order == "sampled":
            index = _permute(index, self.size, self.seed)
        chosen: list[tuple[int, ...]] = []
        for layer, layer_size in zip(reversed(self.layers), reversed(self._layer_sizes), strict=True):
            index, layer_index = divmod(index, layer_size)
            chosen.append(_unrank_layer(layer_index, layer))
        return {layer.name: filters for layer, filters in zip(self.layers, reversed(chosen), strict=True)}

    def rank(self, removed: Mapping[str, Sequence[int]]) -> int:
        """Index of a combination, the exact inverse of `unrank` in either order.

        Args:
            removed: A combination of this space.

        Raises:
            ValueError: If it is not a combination of this space.
        """
        self.validate(removed)
        index = 0
        for layer, layer_size in zip(self.layers, self._layer_sizes, strict=True):
            index = index * layer_size + _rank_layer(removed[layer.name], layer)
        return _permute(index, self.size, self.seed, inverse=True) if self.order == "sampled" else index

    def validate(self, removed: Mapping[str, Sequence[int]]) -> None:
        """Accept exactly the combinations of this space.

        Nothing behind this check notices a wrong index: pruning would remove other filters than the record says.

        Args:
            removed: For each layer of the space, its removed filters, ascending.

        Raises:
            ValueError: If a layer is unknown or missing, or its filters are not plain integers, not distinct, not
                ascending, outside [0, filters), or not as many as the space removes.
        """
        names = [layer.name for layer in self.layers]
        for name in removed:
            if name not in names:
                raise ValueError(f"removed must name only layers of the space; got {name!r}{_nearest(name, names)}")
        for layer in self.layers:
            if layer.name not in removed:
                raise ValueError(f"removed must name every layer of the space; got none for {layer.name}")
            _validate_layer(removed[layer.name], layer)


def _validate_layer(chosen: Sequence[int], layer: LayerChoice) -> None:
    """Refuse whatever is not `layer.removed` ascending filter indices of the layer, with one sentence."""
    for index in chosen:
        # Neither a bool nor a NumPy integer: both would pass as indices and then be hashed or stored differently.
        if type(index) is not int:
            raise ValueError(f"removed filters of {layer.name} must be plain integers; got {index!r}")
        if not 0 <= index < layer.filters:
            raise ValueError(f"removed filters of {layer.name} must lie in 0..{layer.filters - 1}; got {_spell(index)}")
    if len(set(chosen)) < len(chosen):
        repeated = next(index for index in chosen if list(chosen).count(index) > 1)
        raise ValueError(f"removed filters of {layer.name} must be distinct; got {repeated} more than once")
    if len(chosen) != layer.removed:
        raise ValueError(f"removed filters of {layer.name} must number {layer.removed}; got {len(chosen)}")
    if list(chosen) != sorted(chosen):
        raise ValueError(f"removed filters of {layer.name} must ascend; got {reprlib.repr(tuple(chosen))}")


def _unrank_layer(index: int, layer: LayerChoice) -> tuple[int, ...]:
    """Combination number `index` of one layer in the order of `itertools.combinations`."""
    missing = layer.removed
    if missing == 0:
        return ()
    chosen = []
    # Combinations that begin with the candidate: C(behind, missing - 1). It is carried from candidate to candidate by
    # one exact multiplication and division; a fresh binomial at each step would cost the square of the layer's width.
    beginning = math.comb(layer.filters - 1, missing - 1)
    for candidate in range(layer.filters):
        behind = layer.filters - 1 - candidate
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


def _rank_layer(chosen: Sequence[int], layer: LayerChoice) -> int:
    """Position of one layer's combination in the order of `itertools.combinations`; inverse of `_unrank_layer`."""
    missing = layer.removed
    if missing == 0:
        return 0
    index = 0
    beginning = math.comb(layer.filters - 1, missing - 1)
    for candidate in range(layer.filters):
        behind = layer.filters - 1 - candidate
        if candidate == chosen[layer.removed - missing]:
            missing -= 1
            if missing == 0:
                break
            beginning = beginning * missing // behind
        else:
            index += beginning
            beginning = beginning * (behind - missing + 1) // behind
    return index


def _permute(value: int, size: int, seed: int, *, inverse: bool = False) -> int:
    """Image of a value under a permutation of [0, size) keyed by the seed.

    A balanced Feistel network permutes the next even power of two; walking its cycle until the value falls below
    `size` again restricts that to a permutation of [0, size) (Black and Rogaway, "Ciphers with Arbitrary Finite
    Domains", 2002). The power is below 4 * size, so fewer than four walks are expected, whatever the value.
    """
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    mask = (1 << half) - 1
    while True:
        left, right = value >> half, value & mask
        if inverse:
            for number in reversed(range(ROUNDS)):
                left, right = right ^ _scramble(left, half, number, seed), left
        else:
            for number in range(ROUNDS):
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


def parse_set(text: int | str, key: str, names: Sequence[str] = ()) -> list[int | str]:
    """Indices and names that a set such as `17`, `"0-9,17"` (ranges inclusive) or `"l1,0-3"` stands for.

    Args:
        text: An index, or indices, ranges and names joined by commas.
        key: Config key that messages name.
        names: Words allowed beside indices.

    Returns:
        The members in the order given, each once.

    Raises:
        ValueError: If the set is malformed, has a negative index or an unknown name, or exceeds `SET_LIMIT`.
    """
    rule = f'{key} must be an index or a set such as "0-9,17"'
    if names:
        rule = f'{key} must be an index, a set such as "0-9,17", or one of {", ".join(names)}'
    if isinstance(text, int) and not isinstance(text, bool):
        if text < 0:
            raise ValueError(f"{rule}; got {_spell(text)}: an index cannot be negative")
        return [text]
    if not isinstance(text, str):
        raise ValueError(f"{rule}; got {text!r}")
    parts = [part.strip() for part in text.split(",")]
    if "" in parts:
        _refuse_part(rule, text, "a part is empty" if text.strip() else "it is empty")
    members: dict[int | str, None] = {}  # a dict keeps the order that a set would lose
    for part in parts:
        if part in names:
            members[part] = None
            continue
        indices = _parse_range(part, rule, names)
        # Subtracted rather than len(), which overflows beyond 2^63.
        if len(members) + indices.stop - indices.start > SET_LIMIT:
            _refuse_part(rule, part, f"a set may hold at most {SET_LIMIT} indices")
        members.update(dict.fromkeys(indices))
    return list(members)


def _parse_range(part: str, rule: str, names: Sequence[str]) -> range:
    """Indices of one part of a set, `17` or `0-9`, as a range that is not spelt out yet."""
    if re.fullmatch(r"-\s*[0-9]+(\s*-.*)?|[0-9]+\s*-\s*-\s*[0-9]+", part):
        _refuse_part(rule, part, "an index cannot be negative")
    match = re.fullmatch(r"([0-9]+)(?:\s*-\s*([0-9]+))?", part)
    if match is None:
        _refuse_part(rule, part, _nearest(part, names).removeprefix("; "))
    first_digits, last_digits = match[1], match[2] or match[1]
    most_digits = sys.get_int_max_str_digits()
    if 0 < most_digits < max(len(first_digits), len(last_digits)):
        _refuse_part(rule, part, f"an index may have at most {most_digits} digits")
    first, last = int(first_digits), int(last_digits)
    if last < first:
        _refuse_part(rule, part, "the range runs backwards")
    return range(first, last + 1)


def _refuse_part(rule: str, part: str, reason: str) -> NoReturn:
    raise ValueError(f"{rule}; got {reprlib.repr(part)}" + (f": {reason}" if reason else ""))


def _nearest(word: str, words: Sequence[str]) -> str:
    """The hint "; did you mean ...?" when one of the words resembles this one, else nothing."""
    close = difflib.get_close_matches(word.lower(), words, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close and word[:1].isalpha() else ""


_SPELT_OUT = 10**15
"""Numbers from here on are given by their order of magnitude: a message with a thousand digits helps nobody."""


def _spell(number: int) -> str:
    if abs(number) < _SPELT_OUT:
        return str(number)
    return f"about {'-' if number < 0 else ''}10^{round(math.log10(abs(number)))}"
