"""Float32 as IEEE defines it, or the TF32 that graphics cards may take for it.

By default torch lets cuDNN's convolutions round their inputs to TF32's 10 bits, on GPUs since Ampere: the same network
would then have another loss on another device.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

matmul: Any = torch.backends.cuda.matmul
cudnn: Any = torch.backends.cudnn


def _arithmetic() -> tuple[str, str, str, str]:
    """What torch lets float32 products be, by its names.

    Of matrices on every device ("highest", "high" or "medium"), then "ieee", "tf32" or "none" (whatever is said
    elsewhere) of matrices on GPUs, and of convolutions and recurrent layers in cuDNN.
    """
    try:
        products = torch.get_float32_matmul_precision()
    except RuntimeError:  # a network's own code has set only the newer switches
        products = "high" if matmul.fp32_precision == "tf32" else "highest"
    return products, matmul.fp32_precision, cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision


def _set_arithmetic(products: str, matrices: str, convolutions: str, recurrent: str) -> None:
    # Older switches and newer ones: where they disagree, torch raises as soon as somebody asks for the older.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from 2.9 on, some versions of torch call the older ones deprecated
        torch.set_float32_matmul_precision(products)
        cudnn.allow_tf32 = convolutions == "tf32"
    matmul.fp32_precision = matrices
    cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision = convolutions, recurrent


@contextmanager
def float32_arithmetic(*, tf32: bool) -> Iterator[None]:
    """Let float32 be IEEE's, or TF32 where the hardware has it; afterwards it is what it was.

    Args:
        tf32: Whether products of float32 numbers may be TF32's.
    """
    before = _arithmetic()
    _set_arithmetic("high" if tf32 else "highest", *["tf32" if tf32 else "ieee"] * 3)
    try:
        yield
    finally:
        _set_arithmetic(*before)
