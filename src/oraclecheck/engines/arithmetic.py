"""Float32 as IEEE defines it, or the TF32 that graphics cards may take for it.

By default torch lets cuDNN's convolutions round their inputs to TF32's 10 bits, on GPUs since Ampere: the same network
would then have another loss on another device.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

matmul: Any = torch.backends.cuda.matmul
cudnn: Any = torch.backends.cudnn


@dataclass(frozen=True)
class _Arithmetic:
    """What torch lets float32 products be, by its names.

    Attributes:
        products: Of matrices, on every device: "highest", "high" or "medium".
        matmul: Of matrices on GPUs: "ieee", "tf32" or "none" (whatever is said elsewhere).
        conv: Of convolutions in cuDNN.
        rnn: Of recurrent layers in cuDNN.
    """

    products: str
    matmul: str
    conv: str
    rnn: str

    @staticmethod
    def now() -> "_Arithmetic":
        try:
            products = torch.get_float32_matmul_precision()
        except RuntimeError:  # a network's own code has set only the newer switches
            products = "high" if matmul.fp32_precision == "tf32" else "highest"
        return _Arithmetic(products, matmul.fp32_precision, cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision)

    def set(self) -> None:
        # Older switches and newer ones: where they disagree, torch raises as soon as somebody asks for the older.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # from 2.9 on, some versions of torch call the older ones deprecated
            torch.set_float32_matmul_precision(self.products)
            cudnn.allow_tf32 = self.conv == "tf32"
        matmul.fp32_precision = self.matmul
        cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision = self.conv, self.rnn


_IEEE = _Arithmetic("highest", "ieee", "ieee", "ieee")
_TF32 = _Arithmetic("high", "tf32", "tf32", "tf32")


@contextmanager
def float32_arithmetic(*, tf32: bool) -> Iterator[None]:
    """Let float32 be IEEE's, or TF32 where the hardware has it; afterwards it is what it was.

    Args:
        tf32: Whether products of float32 numbers may be TF32's.
    """
    before = _Arithmetic.now()
    (_TF32 if tf32 else _IEEE).set()
    try:
        yield
    finally:
        before.set()
