"""A handful of the handwritten digits, for tests whose subject is not how well a network learns."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from oraclecheck.data.sources import Digits

TRAIN, TEST = 240, 120


@dataclass(frozen=True)
class FewDigits(Digits):
    """The first 240 training and 120 test images of the digits."""

    def identity(self) -> dict[str, Any]:
        """What decides the tensors."""
        return {**super().identity(), "first": [TRAIN, TEST]}

    def read(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Train images, train labels, test images, test labels."""
        train_images, train_labels, test_images, test_labels = super().read()
        return train_images[:TRAIN], train_labels[:TRAIN], test_images[:TEST], test_labels[:TEST]
