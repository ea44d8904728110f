"""Probes: the images and the arithmetic with which networks are compared."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

TOLERANCE = 1e-9
"""Of the largest logit of a class; what is right is right to 1e-14."""

IMAGES = 3
"""Three and not two: with its copies a batch of 15, which few other dimensions are a multiple of."""

MOST_PIXELS = 64
"""On a side of an image, where the network takes smaller ones than it was made for: its channels are the same."""


@contextmanager
def double_precision(threads: int = 1) -> Iterator[None]:
    """Tensors that are made meanwhile are float64, those that a network's `__init__` keeps to itself too.

    Args:
        threads: torch's meanwhile; beside other work more than one can be far slower.
    """
    before = torch.get_default_dtype(), torch.get_num_threads()
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_default_dtype(before[0])
        torch.set_num_threads(before[1])


def random_images(input_shape: Sequence[int], network: nn.Module, n: int = IMAGES) -> Tensor:
    """Images of standard normal noise, of a network's type and on its device."""
    like = next(network.parameters())
    images = torch.randn(n, *input_shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return images.to(like.device, like.dtype if like.dtype.is_floating_point else torch.get_default_dtype())


def affordable_images(input_shape: Sequence[int], network: nn.Module, n: int = IMAGES) -> Tensor:
    """Random images, small if the network takes small ones; one if it takes only large ones.

    Args:
        input_shape: Shape of one image as the network was made for.
        network: In eval mode.
        n: How many.
    """
    if len(input_shape) != 3 or max(input_shape[1:]) <= MOST_PIXELS:
        return random_images(input_shape, network, n)
    scale = MOST_PIXELS / max(input_shape[1:])
    small = [input_shape[0], *(max(1, round(side * scale)) for side in input_shape[1:])]
    images, large = random_images(small, network, n), random_images(input_shape, network, 1)
    with torch.no_grad():
        try:
            accepted = network(images).shape[1:] == network(large).shape[1:]
        except Exception:
            accepted = False
    return images if accepted else large
