"""Losses of all combinations of any network: what lies before the first pruned layer is computed once for all."""

import threading
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from oraclecheck.engines.engine import Prune
from oraclecheck.engines.prefix import Prefix, sharing
from oraclecheck.pruning.space import CombinationSpace


class RestLosses:
    """Sums of the losses of all combinations; for many threads.

    Args:
        dense: The dense network, in eval mode, on whichever device.
        space: The combinations.
        prune: How a network is pruned.
        step: Called after each pruned network.
    """

    def __init__(
        self, dense: nn.Module, space: CombinationSpace, prune: Prune, step: Callable[[], None] = lambda: None
    ) -> None:
        self._networks: list[nn.Module] = []
        places = [CombinationSpace(space.layers).unrank(place) for place in range(space.size)]
        for removed in places:
            self._networks.append(sharing(prune(dense, removed).eval(), dense))
            step()
        self._prefix, self._lock = Prefix(dense, self._networks), threading.Lock()

    @property
    def size(self) -> int:
        """How many combinations there are."""
        return len(self._networks)

    @torch.inference_mode()
    def sums(self, images: Tensor, labels: Tensor) -> Tensor:
        """The sum of the losses of some images, for every combination in lexicographic order.

        Args:
            images: Normalised, shape (images, channels, height, width).
            labels: Their classes, shape (images,).

        Returns:
            Shape (combinations,), float64, on the CPU, in nats.
        """
        with self._lock:
            self._prefix.check(images)
        return torch.stack(
            [
                cross_entropy(logits, labels, reduction="none").cpu().double().sum()
                for logits in self._prefix.logits(self._networks, images)
            ]
        )
