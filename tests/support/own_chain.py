"""A user's network that is a chain: its layers in another order than images see them."""

import torch
from torch import Tensor, nn


class OwnChain(nn.Module):
    """Two convolutions, ReLU before the pool, a flattening by shape."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = nn.Linear(4 * 5 * 5, 10)
        self.conv2 = nn.Conv2d(5, 4, 3)
        self.conv1 = nn.Conv2d(1, 5, 7)

    def forward(self, images: Tensor) -> Tensor:
        """Logits."""
        x = torch.max_pool2d(self.conv1(images).relu(), 2)
        x = torch.max_pool2d(self.conv2(x).relu(), 2)
        return self.classifier(x.reshape(x.size(0), -1))


class PaddedChain(OwnChain):
    """The same with a padding, which makes it no chain."""

    def __init__(self) -> None:
        super().__init__()
        self.conv2 = nn.Conv2d(5, 4, 3, padding=1)
        self.classifier = nn.Linear(4 * 6 * 6, 10)
