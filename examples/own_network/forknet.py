"""A network that oraclecheck has never seen: residual blocks, GroupNorm, and branches that are concatenated."""

import torch
from torch import Tensor, nn
from torch.nn.functional import relu


class Residual(nn.Module):
    """Two convolutions around a shortcut; conv1 can lose filters alone, conv2 is tied to the shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.norm2 = nn.GroupNorm(4, width)

    def forward(self, x: Tensor) -> Tensor:
        """Features of the same shape."""
        return relu(x + self.norm2(self.conv2(relu(self.norm1(self.conv1(x))))))


class Fork(nn.Module):
    """Two branches side by side, concatenated and mixed; each branch can lose filters alone."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.left = nn.Conv2d(width, width, 1)
        self.right = nn.Conv2d(width, width, 3, padding=1)
        self.mix = nn.Conv2d(2 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Features of the same shape."""
        return relu(self.mix(relu(torch.cat([self.left(x), self.right(x)], dim=1))))


class ForkNet(nn.Sequential):
    """A stem, pairs of residual and forked blocks at falling resolution, and a classifier.

    Args:
        classes: Number of classes.
        width: Channels of the shortcut.
        pairs: Number of pairs of blocks.
    """

    def __init__(self, classes: int, width: int = 16, pairs: int = 2) -> None:
        blocks = [block for _ in range(pairs) for block in (Residual(width), Fork(width), nn.MaxPool2d(2))]
        super().__init__(
            nn.Conv2d(3, width, 3, padding=1),
            *blocks,
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(width, classes),
        )
