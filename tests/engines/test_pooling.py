"""Quick pooling against torch's own, bit for bit."""

import pytest
import torch
from torch import nn
from torch.nn.functional import max_pool2d

from oraclecheck.engines.pooling import quick_pooling

CPU = torch.device("cpu")
ODDITIES = torch.tensor([float("nan"), float("inf"), -float("inf"), 0.0, -1.0, -1.0])


@pytest.fixture(params=[torch.contiguous_format, torch.channels_last], ids=["contiguous", "channels_last"])
def layout(request):
    return request.param


@pytest.mark.parametrize("shape", [(3, 5, 28, 28), (2, 1, 7, 9), (1, 3, 2, 2), (4, 2, 3, 2)])
def test_maxima_are_torchs_bit_for_bit(shape, layout):
    images = torch.randn(shape, generator=torch.Generator().manual_seed(0)).mul(2).round()  # many are equal
    images.view(-1)[: min(images.numel(), 6)] = ODDITIES[: min(images.numel(), 6)]
    images = images.contiguous(memory_format=layout)
    with torch.inference_mode():
        expected = max_pool2d(images, 2)
        with quick_pooling(CPU):
            for found in (
                max_pool2d(images, 2),
                nn.MaxPool2d((2, 2), 2)(images),
                max_pool2d(input=images, kernel_size=2),
            ):
                torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)
                assert found.is_contiguous(memory_format=layout)


@pytest.mark.parametrize(
    "how",
    [
        {"kernel_size": 3},
        {"kernel_size": 2, "stride": 1},
        {"kernel_size": 2, "padding": 1},
        {"kernel_size": 2, "dilation": 2},
        {"kernel_size": 2, "ceil_mode": True},
        {"kernel_size": (2, 3)},
        {"kernel_size": 2, "return_indices": True},
    ],
    ids=str,
)
def test_other_pooling_is_left_to_torch(how):
    images = torch.randn(2, 3, 9, 9)
    with torch.inference_mode():
        expected = max_pool2d(images, **how)
        with quick_pooling(CPU):
            torch.testing.assert_close(max_pool2d(images, **how), expected, rtol=0, atol=0)


def test_gradients_are_left_to_torch():
    images = torch.zeros(1, 1, 2, 2, requires_grad=True)
    with quick_pooling(CPU):
        max_pool2d(images, 2).sum().backward()
    assert images.grad.flatten().tolist() == [1, 0, 0, 0]  # the first of equal ones alone
