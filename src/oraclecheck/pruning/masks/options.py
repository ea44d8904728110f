"""What unstructured methods are called and told, known without torch, which reports do without."""

import re
from dataclasses import dataclass

UNIFORM, GLOBAL, OUTLIER, COMPONENTS, RANDOM = METHODS = ("uniform", "global", "outlier", "components", "random")
BY_BLOCK = (OUTLIER, COMPONENTS)
"""Those whose blocks lose unequal shares."""

MOST_NOISE = 10.0
"""Where nothing but zeros is told from chance, and nothing overflows float32."""


@dataclass(frozen=True)
class BlockOptions:
    """What the methods `outlier` and `components` are told.

    Attributes:
        blocks: Regular expression; what it matches at the beginning of a layer's name is the name of its block. A layer
            that it does not match is a block of its own, and so is every layer where it is None.
        outlier: A weight is an outlier if its magnitude exceeds so many times the mean magnitude of its layer.
        variance: Share of the variance that the counted principal components explain, in (0, 1].
        spread: See `by_difference`.
    """

    blocks: str | None = None
    outlier: float = 5.0
    variance: float = 0.9
    spread: float = 0.08

    def block(self, layer: str) -> str:
        """The block of a layer."""
        match = re.match(self.blocks, layer) if self.blocks else None
        return match.group() if match else layer
