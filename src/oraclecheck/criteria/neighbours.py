"""What stands directly behind a layer, found by watching tensors pass from module to module."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

BATCH_NORMALISATIONS = (nn.BatchNorm1d, nn.BatchNorm2d)


def modules_behind(
    network: nn.Module, layers: Iterable[str], kinds: tuple[type[nn.Module], ...], images: Tensor
) -> dict[str, str]:
    """Layer -> the module of one of these kinds that takes the layer's output as it is; layers without one are absent.

    Args:
        network: On the device of the images; its mode matters no more than for any forward pass.
        layers: Names of modules.
        kinds: Classes of what is looked for.
        images: One batch.
    """
    outputs: dict[str, object] = {}
    found: dict[str, str] = {}

    def look(name: str, inputs: tuple[object, ...]) -> None:
        for layer, output in outputs.items():
            if inputs and inputs[0] is output:
                found.setdefault(layer, name)

    handles = [
        network.get_submodule(name).register_forward_hook(
            lambda module, inputs, output, name=name: outputs.__setitem__(name, output)
        )
        for name in layers
    ]
    for name, module in network.named_modules():
        if isinstance(module, kinds):
            handles.append(module.register_forward_pre_hook(lambda module, inputs, name=name: look(name, inputs)))
    try:
        with torch.no_grad():
            network(images)
    finally:
        for handle in handles:
            handle.remove()
    return found
