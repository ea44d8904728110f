"""The library of a chain's kernels: compiled where nobody has, kept, loaded, and called with tensors."""

import ctypes
import tempfile
from collections.abc import Sequence
from ctypes import c_float, c_int64, c_void_p
from functools import lru_cache
from pathlib import Path

import torch
from filelock import FileLock
from torch import Tensor

from oraclecheck.data.images import ImageSet, normalise
from oraclecheck.engines.evaluation import Evaluation
from oraclecheck.engines.lanes.chain import Chain
from oraclecheck.engines.lanes.compiler import FLAGS, compiler
from oraclecheck.files import create_atomically, digest
from oraclecheck.waiting import waiting

HEADER = Path(__file__).with_name("lanes.hpp")


class Library:
    """The kernels of one chain, with tensors for pointers; whatever they index by is checked before.

    Args:
        path: The shared library.
        chain: What it was made for.
    """

    def __init__(self, path: Path, chain: Chain) -> None:
        library = ctypes.CDLL(str(path))
        for function in (library.parameters, library.classes):
            function.restype = c_int64
        tensor = c_void_p
        library.train.argtypes = [*[tensor] * 7, c_int64, c_int64, c_float, c_float, c_float, tensor]
        library.evaluate.argtypes = [*[tensor] * 4, c_int64, tensor, tensor]
        library.train.restype = library.evaluate.restype = None
        self._library, self._chain = library, chain
        self.parameters: int = library.parameters()
        self.classes: int = library.classes()

    def train(
        self,
        parameters: Tensor,
        velocity: Tensor,
        images: ImageSet,
        order: Tensor,
        batch_size: int,
        rate: float,
        momentum: float,
        weight_decay: float,
        removed: Tensor | None = None,
    ) -> Tensor:
        """One epoch of SGD, in place.

        Args:
            parameters: Of the chain, in its order, float32, shape (parameters,).
            velocity: SGD's momentum buffer, 0 before the first epoch, likewise.
            images: The training set.
            order: Indices of the images, int64.
            batch_size: Images of a step; the last has what is left.
            rate: Learning rate.
            momentum: As PyTorch's SGD has it.
            weight_decay: Likewise.
            removed: True for parameters that are 0 and stay there, bool, shape (parameters,); None: there are none.

        Returns:
            Mean loss of each batch, shape (steps,).

        Raises:
            ValueError: If a tensor is not what is expected, or an index or label is out of range.
        """
        self._check(images, parameters, velocity)
        _check_tensor("order", order, torch.int64, (len(order),))
        if len(order) and not 0 <= int(order.min()) <= int(order.max()) < len(images):
            raise ValueError(f"order must lie in [0, {len(images)})")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1; got {batch_size}")
        losses = torch.empty(-(-len(order) // batch_size))
        if removed is not None:
            _check_tensor("removed", removed, torch.bool, (self.parameters,))
        pointers = _pointers(parameters, velocity, removed, images.images, images.labels, _table(images), order)
        self._library.train(*pointers, len(order), batch_size, rate, momentum, weight_decay, losses.data_ptr())
        return losses

    def evaluate(self, parameters: Tensor, images: ImageSet) -> Evaluation:
        """Loss and accuracy on a whole set; see `train`."""
        self._check(images, parameters)
        losses, hits = torch.empty(len(images)), torch.empty(len(images), dtype=torch.uint8)
        pointers = _pointers(parameters, images.images, images.labels, _table(images))
        self._library.evaluate(*pointers, len(images), losses.data_ptr(), hits.data_ptr())
        correct = hits.bool()
        return Evaluation(losses.double().mean().item(), correct.double().mean().item(), correct)

    def _check(self, images: ImageSet, *tensors: Tensor) -> None:
        for tensor in tensors:
            _check_tensor("parameters", tensor, torch.float32, (self.parameters,))
        _check_tensor("images", images.images, torch.uint8, (len(images), *self._chain.shape))
        _check_tensor("labels", images.labels, torch.int64, (len(images),))
        least, most = int(images.labels.min()), int(images.labels.max())
        if least < 0 or most >= self.classes:
            raise ValueError(
                f"the data's labels must lie in [0, {self.classes}), one for each output of the network; got "
                f"{least}..{most}"
            )


def _check_tensor(name: str, tensor: Tensor, dtype: torch.dtype, shape: Sequence[int]) -> None:
    found = (tensor.dtype, tuple(tensor.shape), tensor.device.type, tensor.is_contiguous())
    if found != (dtype, tuple(shape), "cpu", True):
        raise ValueError(f"{name} must be {dtype} of shape {tuple(shape)}, contiguous, on the CPU; got {found}")


def _pointers(*tensors: Tensor | None) -> list[int | None]:
    return [None if tensor is None else tensor.data_ptr() for tensor in tensors]


@lru_cache(maxsize=8)
def _values(mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """What normalisation makes of each byte, shape (channels, 256), bit for bit."""
    every = torch.arange(256, dtype=torch.uint8).view(256, 1, 1, 1).expand(256, len(mean), 1, 1)
    return normalise(every, mean, std, channels_last=False).view(256, len(mean)).T.contiguous()


def _table(images: ImageSet) -> Tensor:
    return _values(images.mean, images.std)


@lru_cache(maxsize=8)
def library_of(chain: Chain, cache: Path) -> Library:
    """The library of a chain, compiled if it is not in the cache.

    A library is named by all that it is made of: source, flags, compiler and CPU. It is put in place whole, and never
    replaced.

    Args:
        chain: The chain.
        cache: Folder of the compiled libraries.

    Raises:
        ValueError: If there is no compiler, or it cannot compile the source.
    """
    made_by = compiler()
    made_of = [chain.source, HEADER.read_text(), FLAGS, made_by.command, made_by.name, made_by.target]
    path = cache / f"lanes-{digest(made_of)[:16]}.so"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):  # of several processes one compiles; where locks do not hold, each does
            if not path.is_file():
                with waiting("compiling the lanes engine for this network"):
                    _compile(chain, path)
    return Library(path.absolute(), chain)


def _compile(chain: Chain, path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "chain.cpp", Path(folder) / "chain.so"
        source.write_text(chain.source)
        source.with_name(HEADER.name).write_bytes(HEADER.read_bytes())
        compiler().compile(source, library)
        made = library.read_bytes()
    create_atomically(path, lambda file: file.write(made))
