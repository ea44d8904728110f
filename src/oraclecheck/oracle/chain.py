"""Losses of all combinations of a chain on a few images of one class: a tree of sums, then products of matrices."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from oraclecheck.oracle.choices import Choices
from oraclecheck.oracle.stages import Stage, stages_of
from oraclecheck.pruning.combination import LayerChoice, Removed

CHOICES = 256
"""Choices that go through the last layers at once: with 64 images their activations stay in a core's cache."""


class ChainLosses:
    """Sums of the losses of all combinations; for one thread, which computes in the same memory again and again.

    Args:
        network: The dense network, a chain; on whichever device.
        shape: Channels, height and width of an image.
        layers: The prunable layers, in the network's order.
        behind: What the layers behind lose where the released code wires them; None for correct wiring.

    Raises:
        ValueError: If the network is no chain, or images go through the layers in another order.
    """

    def __init__(
        self, network: nn.Module, shape: Sequence[int], layers: Sequence[LayerChoice], behind: Removed | None = None
    ) -> None:
        named = stages_of(network, shape)
        self._pruned = [list(named).index(layer.name) for layer in layers]
        if self._pruned != sorted(self._pruned):
            raise ValueError(f"layers must come in the order in which images go through them, {', '.join(named)}")
        self._choices = [Choices(layer, behind[layer.name] if behind else None) for layer in layers]
        self._stages = list(named.values())
        self._device = self._stages[0].bias.device
        for i, choices in zip(self._pruned, self._choices, strict=True):
            self._stages[i + 1] = replace(self._stages[i + 1], weight=self._stages[i + 1].weight[:, choices.inputs])
        self._last = [self._stages[-1].minus(label) for label in range(len(self._stages[-1].bias))]
        self._matrices = [_with_ones(part).to(self._device) for part in self._choices[-1].matrix.split(CHOICES)]
        self._strides = [1]  # of each layer's choices, in combinations; the first is of all
        for choices in reversed(self._choices):
            self._strides.insert(0, self._strides[0] * len(choices.kept))
        self._buffers = [torch.empty(0), torch.empty(0)]

    @property
    def size(self) -> int:
        """How many combinations there are."""
        return self._strides[0]

    @torch.inference_mode()
    def sums(self, images: Tensor, labels: Tensor) -> Tensor:
        """The sum of the losses of some images, for every combination in lexicographic order.

        Args:
            images: Normalised, shape (images, channels, height, width).
            labels: Their class, the same for all.

        Returns:
            Shape (combinations,), float64, on the CPU, in nats.
        """
        stages = [*self._stages[:-1], self._last[int(labels[0])]]
        values = images.permute(1, 2, 3, 0).contiguous()
        for stage in stages[: self._pruned[0] + 1]:
            values = stage(values)
        out = torch.empty(self.size, dtype=torch.float64, device=self._device)
        self._descend(0, values, stages, out, safely=False)
        if not out.isfinite().all():
            self._descend(0, values, stages, out, safely=True)
        return out.cpu()

    def _descend(self, level: int, values: Tensor, stages: list[Stage], out: Tensor, safely: bool) -> None:
        """Losses of all choices of a layer, whose filters have these values, and of those behind it."""
        choices, behind, deepest = self._choices[level], self._pruned[level] + 1, level == len(self._choices) - 1
        shares = stages[behind].shares(values, choices.channels)
        if deepest and not any(stage.pools for stage in stages[behind:]):
            self._multiply(shares, stages[behind:], out, safely)
            return
        following = len(stages) - 1 if deepest else self._pruned[level + 1]
        parts = out.split(self._strides[level + 1])
        for sums, part in zip(choices.sums(shares, stages[behind].bias), parts, strict=True):
            later = stages[behind].after(sums)
            for stage in stages[behind + 1 : following + 1]:
                later = stage(later)
            if deepest:
                part.copy_(_losses(later.flatten(1), 1, safely))
            else:
                self._descend(level + 1, later, stages, part, safely)

    def _multiply(self, shares: Tensor, stages: Sequence[Stage], out: Tensor, safely: bool) -> None:
        """Losses of all choices of the last pruned layer, whose inputs add these shares to the layer behind."""
        images, outputs = shares.shape[-1], len(stages[0].bias)
        bias = stages[0].bias.view(1, -1, 1).expand(1, outputs, images)
        by_output = torch.cat([shares.flatten(2).view(-1, outputs, images), bias]).transpose(0, 1).contiguous()
        weights = [torch.cat([stage.weight.flatten(1), stage.bias[:, None]], 1) for stage in stages[1:]]
        for matrix, part in zip(self._matrices, out.split(CHOICES), strict=True):
            columns = len(matrix) * images
            values = self._buffer(0, outputs, columns)
            torch.bmm(matrix.expand(outputs, -1, -1), by_output, out=values[:-1].view(outputs, -1, images))
            for number, weight in enumerate(weights, start=1):
                if stages[number - 1].relu:
                    values.clamp_min_(0)  # the ones stay
                following = self._buffer(number % 2, len(weight), columns)
                torch.mm(weight, values, out=following[:-1])
                values = following
            part.copy_(_losses(values[:-1], len(matrix), safely))

    def _buffer(self, number: int, rows: int, columns: int) -> Tensor:
        """Memory for so many rows, and one of ones, which the biases of the next layer are multiplied by."""
        size = (rows + 1) * columns
        if self._buffers[number].numel() < size:
            self._buffers[number] = torch.empty(size, device=self._device)
        buffer = self._buffers[number][:size].view(rows + 1, columns)
        buffer[-1] = 1
        return buffer


def _losses(margins: Tensor, choices: int, safely: bool) -> Tensor:
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
        losses = most + torch.log(torch.exp(-most) + torch.exp(margins - most).sum(0))
    else:
        losses = margins.exp_().sum(0).log1p_()
    return losses.view(choices, -1).sum(1, dtype=torch.float64)


def _with_ones(matrix: Tensor) -> Tensor:
    return torch.cat([matrix, matrix.new_ones(len(matrix), 1)], 1)
