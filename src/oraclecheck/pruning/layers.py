"""Which layers a study prunes and how many filters each loses."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from oraclecheck.networks.attention import SelfAttention
from oraclecheck.pruning.combination import LayerChoice, removed_count
from oraclecheck.spelling import spell_names, suggest


@dataclass(frozen=True)
class LayerPattern:
    """A promise about a network: these of its layers are prunable.

    Attributes:
        layers: A regular expression; it must match a layer's whole name.
        count: How many layers it matches.
        type: Class name of all of them, such as "Conv2d".
    """

    layers: str
    count: int
    type: str

    def names(self, network: nn.Module) -> list[str]:
        """The layers it matches, in the network's order.

        Raises:
            ValueError: If they are not as many, or not of the type, as promised.
        """
        pattern = _compile("model.prunable", self.layers)
        found = {name: module for name, module in network.named_modules() if pattern.fullmatch(name)}
        for name, module in found.items():
            if type(module).__name__ != self.type:
                raise ValueError(
                    f"model.prunable must match only layers of its type, {self.type}; '{self.layers}' matches {name}, "
                    f"a {type(module).__name__}"
                )
        if len(found) != self.count:
            raise ValueError(
                f"model.prunable must match as many layers as its count, {self.count}; '{self.layers}' matches "
                f"{_count(found)}"
            )
        return list(found)


def prunable_layers(network: nn.Module, patterns: Sequence[LayerPattern] = ()) -> list[str]:
    """The layers that a ratio may speak of, in the network's order.

    Args:
        network: The dense network; a meta-device one will do.
        patterns: The model's promises; without any, every convolution and linear layer.

    Raises:
        ValueError: If a promise does not hold.
    """
    if not patterns:
        return [name for name, module in network.named_modules() if is_prunable(module)]
    matched = {name for pattern in patterns for name in pattern.names(network)}
    return [name for name, _ in network.named_modules() if name in matched]


def is_prunable(module: nn.Module) -> bool:
    """Whether a layer has filters, hidden units or heads."""
    return isinstance(module, nn.Conv2d | nn.Linear | SelfAttention)


def filter_weights(network: nn.Module, name: str) -> Tensor:
    """The weights of each filter, hidden unit or head of a layer, shape (filters, weights of one)."""
    layer = network.get_submodule(name)
    if isinstance(layer, SelfAttention):
        return layer.head_weights()
    assert isinstance(layer.weight, Tensor)
    return layer.weight.flatten(1)


def outputs_of(module: nn.Module) -> int | None:
    """How many outputs a module has that mixes channels; None for others."""
    if isinstance(module, nn.modules.conv._ConvNd):
        return module.weight.shape[1] * module.groups if module.transposed else module.weight.shape[0]
    if isinstance(module, nn.Linear | nn.Bilinear):
        return module.weight.shape[0]
    if isinstance(module, nn.MultiheadAttention):
        return module.embed_dim
    if isinstance(module, SelfAttention):
        return module.heads
    if isinstance(module, nn.Embedding):
        return module.weight.shape[1]
    return module.hidden_size if isinstance(module, nn.RNNBase) else None


def resolve_ratio(
    network: nn.Module, ratio: Any, default: Any, patterns: Sequence[LayerPattern] = ()
) -> dict[str, float]:
    """Prunable layer -> pruning ratio, in the network's own order.

    Args:
        network: The dense network; a meta-device one will do.
        ratio: `pruning.ratio`. A mapping replaces the default: its keys are names of layers, or regular expressions
            that match the whole names of prunable ones ("layer1.*" for a stage; an exact name comes before a regular
            expression), its values the fraction in (0, 1) of their filters to remove. One fraction is for all layers of
            the default. None is the default.
        default: The model's own ratio: a mapping, or one fraction for all prunable layers.
        patterns: See `prunable_layers`.

    Raises:
        ValueError: If a layer is unknown or not prunable, a regular expression matches none, two match the same, a
            promise does not hold, or a ratio is not a number in (0, 1).
    """
    prunable = prunable_layers(network, patterns)
    chosen = default if ratio is None else ratio
    if is_number(chosen):
        chosen = dict.fromkeys(default if isinstance(default, Mapping) else prunable, chosen)
    if not isinstance(chosen, Mapping) or not chosen:
        raise ValueError(f"pruning.ratio must map layers to ratios, such as {{conv1: 0.5}}, or be one; got {ratio!r}")
    # YAML reads the layers of a Sequential as integers
    ratios = _by_layer(network, {str(key): value for key, value in chosen.items()}, prunable)
    return {name: fraction(name, ratios[name]) for name, _ in network.named_modules() if name in ratios}


def _by_layer(network: nn.Module, chosen: Mapping[str, Any], prunable: Sequence[str]) -> dict[str, Any]:
    """The ratio of each layer that a name or a regular expression speaks of."""
    known = [name for name, module in network.named_modules() if is_prunable(module)]
    ratios = {key: value for key, value in chosen.items() if key in known}
    spoken_for: dict[str, str] = {}
    for key, value in chosen.items():
        if key in known:
            continue
        matched = [name for name in prunable if _compile("pruning.ratio", key).fullmatch(name)]
        if not matched:
            raise ValueError(_unknown_layer(key, network, prunable))
        for name in matched:
            if name in spoken_for:
                raise ValueError(
                    f"pruning.ratio must give each layer one ratio; '{spoken_for[name]}' and '{key}' both match {name}"
                )
            spoken_for[name] = key
            ratios.setdefault(name, value)
    return ratios


def layer_choices(network: nn.Module, ratio: Mapping[str, float]) -> tuple[LayerChoice, ...]:
    """How many of how many filters each prunable layer loses.

    Raises:
        ValueError: If a ratio removes none or all filters of its layer.
    """
    choices = []
    for name, value in ratio.items():
        filters = len(filter_weights(network, name))
        removed = removed_count(filters, value)
        if not 0 < removed < filters:
            what = "none" if removed == 0 else "all"
            raise ValueError(
                f"pruning.ratio of {name} must remove some but not all of its {filters} filters; {value} removes {what}"
            )
        choices.append(LayerChoice(name, filters, removed))
    return tuple(choices)


def is_number(value: Any) -> bool:
    """Whether a value of the configuration is a number; YAML's true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def fraction(name: str, ratio: Any) -> float:
    """The pruning ratio of a layer.

    Raises:
        ValueError: If it is no number in (0, 1).
    """
    if not is_number(ratio) or not 0 < ratio < 1:
        raise ValueError(f"pruning.ratio of {name} must lie strictly between 0 and 1; got {ratio!r}")
    return float(ratio)


def _compile(key: str, pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{key} must name layers or match them; got '{pattern}': {error}") from None


def _unknown_layer(key: str, network: nn.Module, prunable: Sequence[str]) -> str:
    matched = [(name, module) for name, module in network.named_modules() if name and re.fullmatch(key, name)]
    if matched:
        name, module = matched[0]
        unpromised = "which is none of the prunable layers of model.prunable"
        hint = f"it matches {name}, {unpromised if is_prunable(module) else f'a {type(module).__name__}'}"
    else:
        hint = suggest(key, prunable) or f"it has {_count(prunable)}"
    return (
        f"pruning.ratio must name prunable layers of the network; got '{key}': {hint}; python -m oraclecheck.layers "
        "lists them"
    )


def _count(names: Collection[str]) -> str:
    return f"{len(names)}: {spell_names(names)}" if names else "none"
