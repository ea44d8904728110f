"""The combinations of an unstructured study: a seeded family between "by magnitude" and "by chance".

There are far more masks than can be numbered, and most are no choice that anyone would make. So a combination is the
index of a method with a strength of noise: first every method without noise, then, over and over, every method with
every strength of noise, each time drawn anew. Any process computes any combination alone, and what has an index does
not depend on how many there are to be.
"""

import operator
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from oraclecheck.pruning.combination import Removed
from oraclecheck.pruning.masks.choice import METHOD, NOISE, SEED, MaskChoice
from oraclecheck.pruning.masks.options import RANDOM, BlockOptions
from oraclecheck.pruning.space import CombinationSpace
from oraclecheck.seeds import derive_seed
from oraclecheck.spelling import spell_number

if TYPE_CHECKING:
    from torch import Tensor

DRAWS = 2**63
"""Of a method with a strength of noise: as many as there are seeds."""


@dataclass(frozen=True)
class MaskedLayer:
    """A layer that loses weights, and how many it has."""

    name: str
    weights: int


@dataclass(frozen=True)
class MaskSpace:
    """The combinations of some methods with some strengths of noise, each named by an index in [0, size).

    Attributes:
        layers: The prunable layers.
        ratio: Share of all their weights that goes.
        methods: Of `METHODS`, each once.
        noise: Strengths, each once; 0 is the method itself, of which there is one.
        options: Of the methods `outlier` and `components`.
        seed: Key of all draws, any integer.
    """

    layers: tuple[MaskedLayer, ...]
    ratio: float
    methods: tuple[str, ...]
    noise: tuple[float, ...]
    options: BlockOptions = field(default_factory=BlockOptions)
    seed: int = 0

    @cached_property
    def _exact(self) -> list[str]:
        """Methods that come without noise."""
        return [method for method in self.methods if method != RANDOM] if 0 in self.noise else []

    @cached_property
    def _drawn(self) -> list[tuple[str, float | None]]:
        """Methods with their noise, of which there are `DRAWS` each; how they are listed numbers the combinations."""
        noisy = [(method, noise) for noise in self.noise if noise for method in self.methods if method != RANDOM]
        return [*noisy, *[(RANDOM, None)] * (RANDOM in self.methods)]

    @cached_property
    def size(self) -> int:
        """How many combinations have an index."""
        return len(self._exact) + DRAWS * len(self._drawn)

    @property
    def recorded_size(self) -> int | None:
        """What a record says: None where combinations are drawn, for they are a sample of what has no end."""
        return None if self._drawn else self.size

    @property
    def order(self) -> str:
        """How a record calls it: "sampled" where combinations are drawn, "lexicographic" where all can be listed."""
        return "sampled" if self._drawn else "lexicographic"

    def unrank(self, index: int) -> MaskChoice:
        """Combination with this index, at the same cost for every index.

        Raises:
            ValueError: If the index lies outside [0, size).
        """
        index = operator.index(index)
        if not 0 <= index < self.size:
            raise ValueError(
                f"combo must lie in 0..{spell_number(self.size - 1)} (pruning.unstructured.methods and noise give as "
                f"many combinations); got {spell_number(index)}"
            )
        if index < len(self._exact):
            return {METHOD: self._exact[index], NOISE: 0.0, SEED: None}
        draw, number = divmod(index - len(self._exact), len(self._drawn))
        method, noise = self._drawn[number]
        return {METHOD: method, NOISE: noise, SEED: derive_seed(self.seed, method, noise, draw)}

    def shapes(self) -> list[Removed]:
        """As for every space: the filters that its networks lack, one after the other; masked ones lack none."""
        return [{}]

    def masks(self, weights: "Mapping[str, Tensor]", choice: Mapping[str, Any]) -> "dict[str, Tensor]":
        """Layer -> mask of a combination, True where the weight goes.

        Args:
            weights: Layer -> weights of the dense network.
            choice: The combination.
        """
        from oraclecheck.pruning.masks.methods import removed_weights

        there = {layer.name: weights[layer.name].detach().cpu() for layer in self.layers}
        noise, seed = choice[NOISE] or 0.0, choice[SEED]
        return removed_weights(there, choice[METHOD], self.ratio, self.options, noise=noise, seed=seed)

    @property
    def definition(self) -> dict[str, Any]:
        """What defines it beside layers, ratio and seed, JSON-serialisable."""
        return {"methods": list(self.methods), "noise": list(self.noise), **asdict(self.options)}

    @classmethod
    def of_definition(
        cls, layers: Mapping[str, int], ratio: float, definition: Mapping[str, Any], seed: int
    ) -> "MaskSpace":
        """The space that `definition` was made of."""
        rest = {key: value for key, value in definition.items() if key not in ("methods", "noise")}
        there = tuple(MaskedLayer(name, weights) for name, weights in layers.items())
        methods, noise = tuple(definition["methods"]), tuple(definition["noise"])
        return cls(there, ratio, methods, noise, BlockOptions(**rest), seed)


Space = CombinationSpace | MaskSpace
"""The combinations of a study: of filters, or of weights."""
