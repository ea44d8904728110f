"""Scores by what filters give on training images."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from oraclecheck.criteria.measuring import calibration, measured
from oraclecheck.criteria.neighbours import BATCH_NORMALISATIONS, modules_behind
from oraclecheck.data.images import LabelledImages
from oraclecheck.networks.attention import SelfAttention

ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.ELU, nn.Hardswish, nn.Mish, nn.Tanh, nn.Sigmoid)


def activation(
    network: nn.Module,
    data: LabelledImages,
    layers: Sequence[str],
    *,
    images: int | None = 20_000,
    batch_size: int = 256,
) -> dict[str, Tensor]:
    """The mean absolute activation of each filter (Molchanov et al., ICLR 2017, section 2.2, "activation").

    It is what the activation module gives that takes the output of the layer, or of the BatchNorm behind it; where
    there is none, that output through a ReLU, as in networks that call `relu` themselves. Pooling comes later.

    Args:
        network: The dense network, on the device of the data.
        data: Training images.
        layers: Names of the network's layers.
        images: How many of them; null for all.
        batch_size: Images at once; the scores do not depend on it.

    Returns:
        Layer -> float64 of shape (filters,); lower is better to remove.

    Raises:
        ValueError: If a layer is an attention, whose heads have no activation.
    """
    if heads := next((name for name in layers if isinstance(network.get_submodule(name), SelfAttention)), None):
        raise ValueError(f"activation must be asked for layers with an activation; {heads} is an attention")
    chosen = calibration(data, images)
    sums: dict[str, Tensor] = {}
    counts = dict.fromkeys(layers, 0)

    def add(layer: str, output: Tensor) -> None:
        axis = output.ndim - 1 if isinstance(network.get_submodule(layer), nn.Linear) else 1
        means = output.detach().abs().transpose(0, axis).flatten(1)
        sums[layer] = sums.get(layer, 0) + means.sum(1).cpu().double()
        counts[layer] += means.shape[1]

    with measured(network, data.device), torch.no_grad():
        image = next(data.batches(1))[0]
        normalised = modules_behind(network, layers, BATCH_NORMALISATIONS, image)
        source = {name: normalised.get(name, name) for name in layers}
        activated = modules_behind(network, source.values(), ACTIVATIONS, image)
        handles = []
        for name, before in source.items():
            watched = _Watched(partial(add, name))
            module = network.get_submodule(before)
            if before in activated:
                handles.append(module.register_forward_hook(watched.remember))
                handles.append(network.get_submodule(activated[before]).register_forward_hook(watched.measure))
            else:
                handles.append(module.register_forward_hook(watched.measure_through_relu))
        try:
            for batch, _ in chosen.batches(batch_size):
                network(batch)
        finally:
            for handle in handles:
                handle.remove()
    return {name: sums[name] / counts[name] for name in layers}


class _Watched:
    """One layer's output on its way; networks may call one activation module behind many layers."""

    def __init__(self, add: Callable[[Tensor], None]) -> None:
        self.add = add
        self.output: Tensor | None = None

    def remember(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self.output = output

    def measure(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if inputs[0] is self.output:
            self.output = None
            self.add(output)

    def measure_through_relu(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self.add(relu(output))
