"""Losses of all combinations of a chain on a few images of one class: a tree of sums, then products of matrices."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from oraclecheck.oracle.choices import Choices
from oraclecheck.oracle.head import Head, losses
from oraclecheck.oracle.stages import Stage, stages_of
from oraclecheck.pruning.combination import LayerChoice, Removed


class PrunedChain:
    """A chain and the choices that there are in it.

    Attributes:
        stages: Its layers.
        pruned: Which of them are pruned.
        choices: Of each of these.

    Args:
        network: The dense network; on whichever device.
        shape: Channels, height and width of an image.
        layers: The prunable layers, in the network's order.
        behind: What the layers behind lose where the released code wires them; None for correct wiring.

    Raises:
        ValueError: If the network is no chain, or images go through the layers in another order.
    """

    def __init__(
        self, network: nn.Module, shape: Sequence[int], layers: Sequence[LayerChoice], behind: Removed | None = None
    ) -> None:
        named = stages_of(network, shape)
        self.stages: list[Stage] = list(named.values())
        self.pruned = [list(named).index(layer.name) for layer in layers]
        if self.pruned != sorted(self.pruned):
            raise ValueError(f"layers must come in the order in which images go through them, {', '.join(named)}")
        self.choices = [Choices(layer, behind[layer.name] if behind else None) for layer in layers]

    @property
    def ends_in_products(self) -> bool:
        """Whether no layer behind the last pruned one pools, so that `Head` can take them."""
        return not any(stage.pools for stage in self.stages[self.pruned[-1] + 1 :])

    def head(self, cache: Path | None = None) -> Head:
        """The layers behind the last pruned one; see `Head`."""
        return Head(self.choices[-1], self.stages[self.pruned[-1] + 1 :], cache)


class ChainLosses:
    """Sums of the losses of all combinations of a chain; for one thread.

    Args:
        chain: The chain.
        cache: See `Head`.
    """

    def __init__(self, chain: PrunedChain, cache: Path | None = None) -> None:
        self._chain = chain
        self._head = chain.head(cache) if chain.ends_in_products else None
        self._last = [chain.stages[-1].minus(label) for label in range(len(chain.stages[-1].bias))]
        self._strides = [1]  # of each layer's choices, in combinations; the first is of all
        for choices in reversed(chain.choices):
            self._strides.insert(0, self._strides[0] * len(choices.kept))

    @property
    def size(self) -> int:
        """How many combinations there are."""
        return self._strides[0]

    @torch.inference_mode()
    def sums(self, images: Tensor, labels: Tensor) -> Tensor:
        """The sum of the losses of some images, for every combination in lexicographic order.

        Args:
            images: Normalised, shape (images, channels, height, width).
            labels: Their class, the same for all.

        Returns:
            Shape (combinations,), float64, on the CPU, in nats.
        """
        values = images.permute(1, 2, 3, 0).contiguous()
        for stage in self._chain.stages[: self._chain.pruned[0] + 1]:
            values = stage(values)
        out = torch.empty(self.size, dtype=torch.float64, device=images.device)
        self._descend(0, values, int(labels[0]), out)
        return out.cpu()

    def _descend(self, level: int, values: Tensor, label: int, out: Tensor) -> None:
        """Losses of all choices of a layer, whose filters have these values, and of those behind it."""
        chain, deepest = self._chain, level == len(self._chain.choices) - 1
        if deepest and self._head is not None:
            out.copy_(self._head.sums(values, label))
            return
        choices, stages, behind = chain.choices[level], [*chain.stages[:-1], self._last[label]], chain.pruned[level] + 1
        following = len(stages) - 1 if deepest else chain.pruned[level + 1]
        shares = stages[behind].fed_by(choices.inputs).shares(values, choices.channels)
        parts = out.split(self._strides[level + 1])
        for sums, part in zip(choices.sums(shares, stages[behind].bias), parts, strict=True):
            later = stages[behind].after(sums)
            for stage in stages[behind + 1 : following + 1]:
                later = stage(later)
            if deepest:
                part.copy_(losses(later.flatten(1), 1, safely=True))
            else:
                self._descend(level + 1, later, label, part)
