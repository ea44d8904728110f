"""Which layers of a network lose weights."""

import re
from collections.abc import Sequence

from torch import nn

from oraclecheck.pruning.masks.space import MaskedLayer
from oraclecheck.spelling import spell_names, suggest

KEY = "pruning.unstructured.layers"


def masked_layers(network: nn.Module, patterns: Sequence[str]) -> tuple[MaskedLayer, ...]:
    """The layers whose names some patterns match, in the network's order.

    Args:
        network: The dense network; a meta-device one will do.
        patterns: Regular expressions for whole names of convolutions and linear layers; names of other modules may
            match as well, which have no weights to lose.

    Raises:
        ValueError: If a pattern is none, or matches no such layer, or layers that match share their weights.
    """
    there = {name: layer for name, layer in network.named_modules() if _has_weights(layer)}
    matched: set[str] = set()
    for pattern in patterns:
        try:
            found = [name for name in there if re.fullmatch(pattern, name)]
        except re.error as error:
            raise ValueError(f"{KEY} must name layers or match them; got '{pattern}': {error}") from None
        if not found:
            hint = suggest(pattern, list(there)) or f"it has {spell_names(there) or 'none'}"
            raise ValueError(f"{KEY} must match convolutions or linear layers of the network; got '{pattern}': {hint}")
        matched |= set(found)
    if not matched:
        raise ValueError(f"{KEY} must match convolutions or linear layers of the network; got no pattern")
    for part in getattr(network, "never_pruned", ()):
        inside = next((name for name in there if name in matched and f"{name}.".startswith(f"{part}.")), None)
        if inside is not None:
            raise ValueError(
                f"{KEY} must leave {part} alone, whose weights all stay; got a pattern that matches {inside}"
            )
    owners: dict[int, str] = {}
    for name in (name for name in there if name in matched):
        other = owners.setdefault(id(there[name].weight), name)
        if other != name:
            raise ValueError(f"{KEY} must match layers with weights of their own; {other} and {name} share theirs")
    return tuple(MaskedLayer(name, _count(layer)) for name, layer in there.items() if name in matched)


def _has_weights(module: nn.Module) -> bool:
    return isinstance(module, nn.modules.conv._ConvNd | nn.Linear)


def _count(layer: nn.Module) -> int:
    assert isinstance(layer.weight, nn.Parameter)
    return layer.weight.numel()
