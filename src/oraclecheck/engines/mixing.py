"""Mixup and cutmix."""

from typing import Any

import torch
from torch import Tensor

from oraclecheck.engines.recipe import Recipe


class Mixing:
    """Mixes each image of a batch with the one before it, by mixup or cutmix, each as likely if both are wanted.

    Mixup is Zhang et al.'s (arXiv 1710.09412), cutmix Yun et al.'s (arXiv 1905.04899), both torchvision's.

    Args:
        recipe: Says which of the two, and their alphas.
        seed: Decides all that is random, on every device the same.
    """

    def __init__(self, recipe: Recipe, seed: int) -> None:
        from torchvision.transforms import v2

        ways: list[Any] = [v2.MixUp(alpha=recipe.mixup)] if recipe.mixup else []
        ways += [v2.CutMix(alpha=recipe.cutmix)] if recipe.cutmix else []
        self._mix = v2.RandomChoice(ways) if ways else None
        self.generator = torch.Generator().manual_seed(seed)

    def __bool__(self) -> bool:
        return self._mix is not None

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """A mixed batch, and the share in [0, 1] that each image keeps; the rest is its predecessor's, cyclically.

        Args:
            images: Normalised, shape (n, channels, height, width).
        """
        assert self._mix is not None
        seed = int(torch.randint(0, 2**62, (), generator=self.generator))
        marker = torch.zeros(len(images), 1, device=images.device)  # what torchvision takes for soft labels
        marker[0] = 1
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # torchvision's transforms know no other generator
            mixed, shares = self._mix(images, marker)
        return mixed, shares[0, 0]
