"""The last layers of a chain as kernels of their shapes, compiled where nobody has: see head.hpp and bound.hpp."""

import ctypes
import tempfile
from collections.abc import Sequence
from ctypes import c_double, c_int64, c_void_p
from pathlib import Path

import torch
from filelock import FileLock
from torch import Tensor
from torch.nn.functional import pad

from oraclecheck.engines.lanes.compiler import FLAGS, compiler
from oraclecheck.engines.lanes.library import HEADER as LANES
from oraclecheck.files import create_atomically, digest
from oraclecheck.oracle.choices import Choices
from oraclecheck.oracle.stages import Stage
from oraclecheck.waiting import waiting

Found = tuple[Tensor, int]
"""Sums of each choice, and how many losses were computed."""

HEADERS = [Path(__file__).with_name(name) for name in ("bound.hpp", "head.hpp")]


class HeadKernel:
    """The kernel of one head; for many threads.

    Args:
        choices: Of the last pruned layer.
        stages: The layers behind it, the last one without the label's logit.
        cache: Folder of the compiled libraries.

    Raises:
        ValueError: If there is no compiler, or it cannot compile the source.
    """

    def __init__(self, choices: Choices, stages: Sequence[Stage], cache: Path) -> None:
        kept, (first, *others) = len(choices.kept[0]), stages
        kinds = [f"lanes::Linear<{each.weight.shape[1]}, {len(each.bias)}, {_bool(each.relu)}>" for each in others]
        shapes = ", ".join([str(kept), str(len(first.bias)), _bool(first.relu), *kinds])
        library = ctypes.CDLL(str(_compiled(shapes, cache).absolute()))
        library.lanes_of_a_tile.restype = c_int64
        library.sums.argtypes = [c_void_p, c_int64, *[c_void_p] * 3, c_int64, c_int64, c_void_p]
        library.sums.restype = None
        library.bounds.argtypes = [c_void_p, c_int64, c_void_p, c_int64, c_void_p, c_int64, c_int64, *[c_void_p] * 2,
                                   c_int64, c_double, c_void_p]  # fmt: skip
        library.bounds.restype = c_int64
        self._library, self._lanes = library, int(library.lanes_of_a_tile())
        self._kept = torch.tensor([choices.fed(number) for number in range(len(choices.kept))], dtype=torch.int32)
        inputs = range(len(choices.inputs)) if choices.channels is None else choices.channels
        self._channels = torch.tensor([*inputs], dtype=torch.int32)

    def sums(self, shares: Tensor, stages: Sequence[Stage], rows: Tensor | None) -> Tensor:
        """Sums of losses over images of one class, for each choice.

        Args:
            shares: What each input adds to the sums of the first layer: shape (inputs, outputs, images), float32.
            stages: The layers, the last one for the images' class.
            rows: Which choices, by their number; None for all.

        Returns:
            Shape (choices,), float64; infinite where exponentials might overflow.
        """
        inputs, outputs, images = shares.shape
        tiles = -(-images // self._lanes)
        filled = pad(shares, (0, tiles * self._lanes - images)).view(inputs, outputs, tiles, self._lanes)
        filled = filled.permute(2, 0, 1, 3).contiguous()
        flat = _flat(stages[1:])
        bias, kept = stages[0].bias.contiguous(), self._kept if rows is None else self._kept[rows]
        out = torch.empty(len(kept), dtype=torch.float64)
        first = filled, bias, flat, kept, out
        assert all(each.device.type == "cpu" and each.is_contiguous() for each in first)
        assert filled.dtype == bias.dtype == flat.dtype == torch.float32
        pointers = [each.data_ptr() for each in first]
        self._library.sums(pointers[0], inputs, *pointers[1:4], len(kept), images, pointers[4])
        return out

    def bounds(self, values: Tensor, ends: Sequence[int], stages: Sequence[Sequence[Stage]], limit: float) -> Found:
        """Sums of losses over images, for each choice, as far as it takes to see that they exceed a limit.

        Args:
            values: Of each filter of the last pruned layer, one pixel wide: shape (filters, images), float32, the
                images of each class together.
            ends: Where those of each class end.
            stages: For each class the layers, the first one fed by all inputs.
            limit: Of a sum.

        Returns:
            Sums of shape (choices,), float64, none of which is above the true one, and how many losses they took.
        """
        blocks = [
            torch.cat([first.bias, first.weight.flatten(1).T.reshape(-1), _flat(others)]) for first, *others in stages
        ]
        parameters, last = torch.stack(blocks), torch.tensor(ends)
        out = torch.empty(len(self._kept), dtype=torch.float64)
        given = values, last, parameters, self._channels, self._kept, out
        assert all(each.device.type == "cpu" and each.is_contiguous() for each in given)
        assert values.dtype == parameters.dtype == torch.float32 and values.dim() == 2 and ends[-1] == values.shape[1]
        at, to, weights, channels, kept, found = (each.data_ptr() for each in given)
        computed = self._library.bounds(
            at, values.shape[1], to, len(ends), weights, len(self._channels), parameters.shape[1], channels, kept,
            len(self._kept), limit, found,
        )  # fmt: skip
        return out, int(computed)


def _flat(stages: Sequence[Stage]) -> Tensor:
    """All parameters of layers, one after the other."""
    parts = [part.reshape(-1) for stage in stages for part in (stage.weight, stage.bias)]
    return torch.cat(parts) if parts else torch.empty(0)


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _compiled(shapes: str, cache: Path) -> Path:
    """The library for these shapes, named by all that it is made of; it is put in place whole, and never replaced."""
    made = "HEAD_LIBRARY(Network)\nBOUND_LIBRARY(Network)\n"
    source = f'#include "bound.hpp"\nusing Network = lanes::Bound<{shapes}>;\n{made}'
    made_by, headers = compiler(), [*HEADERS, LANES]
    texts = [header.read_text() for header in headers]
    path = cache / f"head-{digest([source, texts, FLAGS, made_by.command, made_by.name, made_by.target])[:16]}.so"
    if path.is_file():
        return path
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"), waiting("compiling the search for this network"):
        if not path.is_file():
            with tempfile.TemporaryDirectory() as folder:
                for header, text in zip(headers, texts, strict=True):
                    (Path(folder) / header.name).write_text(text)
                (Path(folder) / "search.cpp").write_text(source)
                made_by.compile(Path(folder) / "search.cpp", Path(folder) / "search.so")
                library = (Path(folder) / "search.so").read_bytes()
            create_atomically(path, lambda file: file.write(library))
    return path
