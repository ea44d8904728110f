"""VGG19 with BatchNorm for 32x32 images (Simonyan and Zisserman, arXiv 1409.1556, configuration E)."""

from collections import OrderedDict

from torch import Tensor, nn

BLOCKS = ((2, 1), (2, 2), (4, 4), (4, 8), (4, 8))
"""Convolutions of each block, and their filters as multiples of the first block's."""


class VGG19(nn.Module):
    """Sixteen 3x3 convolutions, each with BatchNorm and ReLU, in five blocks, and one linear classifier.

    Max-pooling stands between the blocks; what the last one leaves (2x2 for 32x32 images) is averaged.
    `features.conv3_4` is the fourth convolution of the third block, `features.bn3_4` its
    BatchNorm. Weights of convolutions start Kaiming-normal.

    Args:
        classes: Number of classes.
        width: Filters of the first block.
    """

    def __init__(self, classes: int = 100, width: int = 64) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        channels = 3
        for block, (convolutions, multiple) in enumerate(BLOCKS, start=1):
            for i in range(1, convolutions + 1):
                layers[f"conv{block}_{i}"] = nn.Conv2d(channels, width * multiple, 3, padding=1, bias=False)
                layers[f"bn{block}_{i}"] = nn.BatchNorm2d(width * multiple)
                layers[f"relu{block}_{i}"] = nn.ReLU(inplace=True)
                channels = width * multiple
            if block < len(BLOCKS):
                layers[f"pool{block}"] = nn.MaxPool2d(2)
        self.features = nn.Sequential(layers)
        self.classifier = nn.Linear(channels, classes)
        self.initialise()

    def initialise(self) -> None:
        """Draw the weights of a fresh start; see `initialisation`."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (n, classes) for images of shape (n, 3, height, width)."""
        return self.classifier(self.features(images).mean((2, 3)))
