"""A few images and networks that are small enough for loops over everything."""

import torch
from torch import nn

from oraclecheck.data.images import ImageSet

CLASSES = 3


def tiny_images(n: int = 21) -> ImageSet:
    """Images of one channel and 6x6 pixels, random, with random labels."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (n, 1, 6, 6), generator=generator, dtype=torch.uint8)
    return ImageSet(images, torch.randint(0, CLASSES, (n,), generator=generator), (0.5,), (0.25,))


class DoubleImages(ImageSet):
    """The same images in float64, for derivatives that are to be compared with differences."""

    def one_pass(self, *arguments):
        for images, labels in super().one_pass(*arguments):
            yield images.double(), labels


def plain_network() -> nn.Module:
    """Two convolutions (0 and 2) and a hidden layer (5), all with biases, each with a ReLU."""
    torch.manual_seed(1)
    layers = nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(20, 6), nn.ReLU()
    return nn.Sequential(*layers, nn.Linear(6, CLASSES))


def normalised_network() -> nn.Module:
    """Two convolutions (0 and 3), a BatchNorm behind each, with statistics that are not those of new ones."""
    torch.manual_seed(2)
    first, second = (nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4)), (nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5))
    network = nn.Sequential(*first, nn.ReLU(), *second, nn.ReLU(), nn.Flatten(), nn.Linear(20, CLASSES))
    for module in network:
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                tensor.uniform_(0.5, 1.5)
    return network
