"""A chain of layers as the exact search computes it: images last, so that every operation is one over images.

What lies between layers is an array of shape (channels, rows, columns, images). A filter that is removed takes its
share out of the sums of the layer behind and changes nothing else, so shares are computed once for all combinations.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from oraclecheck.engines.lanes.chain import chain_of


@dataclass(frozen=True)
class Stage:
    """A layer with what follows it up to the next one.

    Attributes:
        weight: Shape (outputs, channels, rows, columns): a linear layer's is that of a convolution down to one pixel.
        bias: Shape (outputs,).
        pools: Whether max-pooling by 2 follows.
        relu: Whether ReLU follows.
    """

    weight: Tensor
    bias: Tensor
    pools: bool
    relu: bool

    def __call__(self, values: Tensor) -> Tensor:
        """What the layer makes of everything before it."""
        images = values.shape[3]
        if values.shape[1:3] == self.weight.shape[2:]:
            sums = torch.addmm(self.bias[:, None], self.weight.flatten(1), values.reshape(-1, images))
            return self.after(sums.view(-1, 1, 1, images))
        sums = conv2d(values.permute(3, 0, 1, 2).contiguous(), self.weight, self.bias)
        return self.after(sums.permute(1, 2, 3, 0).contiguous())

    def fed_by(self, inputs: Sequence[int]) -> "Stage":
        """The layer with these inputs alone, in this order."""
        return replace(self, weight=self.weight[:, list(inputs)])

    def shares(self, values: Tensor, channels: Tensor | None) -> Tensor:
        """What each input adds to the sums of the layer, bias apart.

        Args:
            values: Shape (channels, rows, columns, images).
            channels: Of each input of the layer, the channel that feeds it; None for its own.

        Returns:
            Shape (inputs, outputs, rows, columns, images).
        """
        outputs, inputs, rows, columns = self.weight.shape
        images = values.shape[3]
        fed = values if channels is None else values[channels]
        by_input = self.weight.transpose(0, 1)
        if fed.shape[1:3] == (rows, columns):
            if rows == columns == 1:
                return (by_input * fed.view(inputs, 1, 1, images)).unsqueeze(2)
            products = torch.bmm(by_input.reshape(inputs, outputs, -1), fed.reshape(inputs, -1, images))
            return products.view(inputs, outputs, 1, 1, images)
        grouped = by_input.reshape(inputs * outputs, 1, rows, columns)
        sums = conv2d(fed.permute(3, 0, 1, 2).contiguous(), grouped, groups=inputs)
        return sums.permute(1, 2, 3, 0).contiguous().unflatten(0, (inputs, outputs))

    def after(self, sums: Tensor) -> Tensor:
        """What comes of the layer's sums, which may be overwritten."""
        if self.pools:
            rows, columns = (size // 2 * 2 for size in sums.shape[1:3])
            taller = torch.maximum(sums[:, 0:rows:2, :columns], sums[:, 1:rows:2, :columns])
            sums = torch.maximum(taller[:, :, 0::2], taller[:, :, 1::2])
        return sums.clamp_min_(0) if self.relu else sums

    def minus(self, label: int) -> "Stage":
        """The last layer when all images are of one class: how far the logits of the others lie above that class's."""
        others = [other for other in range(len(self.bias)) if other != label]
        return replace(
            self, weight=(self.weight - self.weight[label])[others], bias=(self.bias - self.bias[label])[others]
        )


def stages_of(network: nn.Module, shape: Sequence[int]) -> dict[str, Stage]:
    """The layers of a chain by their names, in the order in which images go through them.

    Args:
        network: The network.
        shape: Channels, height and width of an image.

    Raises:
        ValueError: If it is no chain of convolutions with max-pooling and ReLU, and linear layers.
    """
    chain = chain_of(network, shape)
    stages, current = {}, torch.Size(shape)
    for name, kind in zip(chain.layers, chain.kinds, strict=True):
        layer = network.get_submodule(name)
        weight, bias = layer.weight, layer.bias
        assert isinstance(weight, Tensor) and isinstance(bias, Tensor)
        pools = kind.startswith("Conv<")  # lanes.hpp's other kind is one pixel wide
        weight = weight.detach().reshape(len(weight), *(weight.shape[1:] if weight.dim() == 4 else current))
        stages[name] = Stage(weight.contiguous(), bias.detach(), pools, pools or kind.endswith("true>"))
        rows, columns = (before - size + 1 for before, size in zip(current[1:], weight.shape[2:], strict=True))
        current = torch.Size([len(weight), rows // 2, columns // 2] if pools else [len(weight), rows, columns])
    return stages
