"""The last layers of a chain for many choices of the last pruned layer at once: products of matrices."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from oraclecheck.oracle.choices import Choices
from oraclecheck.oracle.kernels import Found, HeadKernel
from oraclecheck.oracle.stages import Stage

COLUMNS = 2**15
"""Pairs of a choice and an image that go through the layers at once: their activations stay in a core's cache."""


class Head:
    """Sums of losses of the choices of the last pruned layer; for one thread, which computes in the same memory.

    Args:
        choices: Of the last pruned layer.
        stages: The layers behind it, as their weights are numbered in the network; none of them pools.
        cache: Folder of compiled kernels, which are several times as fast; None for PyTorch.

    Raises:
        ValueError: If there are to be kernels and cannot be.
    """

    def __init__(self, choices: Choices, stages: Sequence[Stage], cache: Path | None = None) -> None:
        self._stages = [stages[0].fed_by(choices.inputs), *stages[1:]]
        device = stages[0].bias.device
        self._channels = None if choices.channels is None else choices.channels.to(device)
        ones = torch.ones(len(choices.kept), 1)  # what the first bias is multiplied by
        self._matrix = torch.cat([choices.matrix, ones], 1).to(device)
        self._last = [self._stages[-1].minus(label) for label in range(len(self._stages[-1].bias))]
        self._buffers = [torch.empty(0), torch.empty(0)]
        self._kernel = None if cache is None else HeadKernel(choices, [*self._stages[:-1], self._last[0]], cache)

    def sums(self, values: Tensor, label: int, rows: Tensor | None = None) -> Tensor:
        """The sum of the losses of some images of one class, for each choice.

        Args:
            values: What the last pruned layer makes of them, all its filters: (filters, rows, columns, images).
            label: Their class.
            rows: Which choices, by their number; None for all.

        Returns:
            Shape (choices,), float64.
        """
        stages = [*self._stages[:-1], self._last[label]]
        shares, (outputs, images) = stages[0].shares(values, self._channels), (len(stages[0].bias), values.shape[-1])
        shares = shares.view(-1, outputs, images)
        if self._kernel is not None:
            sums = self._kernel.sums(shares, stages, rows)
            if sums.isfinite().all():
                return sums
        bias = stages[0].bias.view(1, -1, 1).expand(1, outputs, images)
        by_output = torch.cat([shares, bias]).transpose(0, 1).contiguous()
        matrix = self._matrix if rows is None else self._matrix[rows]
        found = []
        for part in matrix.split(max(1, COLUMNS // images)):
            sums = self._part(part, by_output, stages, safely=False)
            found.append(sums if sums.isfinite().all() else self._part(part, by_output, stages, safely=True))
        return torch.cat(found)

    def bounds(self, values: Tensor, ends: Sequence[int], limit: float) -> Found | None:
        """Sums of the losses of images of all classes, for each choice, as far as it takes to exceed a limit.

        Args:
            values: As for `sums`, of all images, those of each class together.
            ends: Where those of each class end.
            limit: Of a sum.

        Returns:
            Sums of shape (choices,), float64, none of which is above the true one, and how many losses they took; None
            without kernels, and where filters of the last pruned layer are more than a pixel wide.
        """
        if self._kernel is None or values.shape[1:3] != (1, 1):
            return None
        stages = [[*self._stages[:-1], last] for last in self._last]
        return self._kernel.bounds(values[:, 0, 0], ends, stages, limit)

    def _part(self, matrix: Tensor, by_output: Tensor, stages: Sequence[Stage], safely: bool) -> Tensor:
        outputs, _, images = by_output.shape
        columns = len(matrix) * images
        values = self._buffer(0, outputs, columns)
        torch.bmm(matrix.expand(outputs, -1, -1), by_output, out=values[:-1].view(outputs, -1, images))
        for number, stage in enumerate(stages[1:], start=1):
            if stages[number - 1].relu:
                values.clamp_min_(0)  # the ones stay
            following = self._buffer(number % 2, len(stage.bias), columns)
            torch.mm(torch.cat([stage.weight.flatten(1), stage.bias[:, None]], 1), values, out=following[:-1])
            values = following
        return losses(values[:-1], len(matrix), safely)

    def _buffer(self, number: int, rows: int, columns: int) -> Tensor:
        """Memory for so many rows, and one of ones, which the biases of the next layer are multiplied by."""
        size = (rows + 1) * columns
        if self._buffers[number].numel() < size:
            self._buffers[number] = torch.empty(size, device=self._matrix.device)
        buffer = self._buffers[number][:size].view(rows + 1, columns)
        buffer[-1] = 1
        return buffer


def losses(margins: Tensor, choices: int, safely: bool) -> Tensor:
    """Sums over images of the cross-entropy.

    Args:
        margins: How far the logits of the other classes lie above the label's: shape (classes - 1, choices * images),
            which may be overwritten.
        choices: How many there are.
        safely: Whether exponentials must not overflow.

    Returns:
        Shape (choices,), float64.
    """
    if safely:
        most = margins.amax(0).clamp_min(0)
        found = most + torch.log(torch.exp(-most) + torch.exp(margins - most).sum(0))
    else:
        found = margins.exp_().sum(0).log1p_()
    return found.view(choices, -1).sum(1, dtype=torch.float64)
