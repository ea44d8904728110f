"""Which layers a study prunes and how many filters each loses."""

import difflib
from collections.abc import Mapping
from typing import Any

from torch import nn

from oraclecheck.pruning.combination import LayerChoice, removed_count


def resolve_ratio(network: nn.Module, ratio: Any, default: Mapping[str, float]) -> dict[str, float]:
    """Prunable layer -> pruning ratio, in the network's own order.

    Args:
        network: The dense network; a meta-device one will do.
        ratio: `pruning.ratio`: layer name -> fraction in (0, 1) of its filters to remove; one fraction for all layers
            of `default`; or None for `default`.
        default: The model's own setting.

    Raises:
        ValueError: If a layer is unknown or not prunable, or a ratio is not a number in (0, 1).
    """
    if ratio is None:
        ratio = default
    elif isinstance(ratio, int | float) and not isinstance(ratio, bool):
        ratio = dict.fromkeys(default, ratio) if isinstance(default, Mapping) else None
    if not isinstance(ratio, Mapping) or not ratio:
        raise ValueError(f"pruning.ratio must map layers to ratios, such as {{conv1: 0.5}}, or be one; got {ratio!r}")
    ratio = {str(name): value for name, value in ratio.items()}  # YAML reads the layers of a Sequential as integers
    prunable = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    for name, value in ratio.items():
        if name not in prunable:
            raise ValueError(_unknown_layer(name, prunable))
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
            raise ValueError(f"pruning.ratio of {name} must lie strictly between 0 and 1; got {value!r}")
    return {name: float(ratio[name]) for name in prunable if name in ratio}


def layer_choices(network: nn.Module, ratio: Mapping[str, float]) -> tuple[LayerChoice, ...]:
    """How many of how many filters each prunable layer loses.

    Raises:
        ValueError: If a ratio removes none or all filters of its layer.
    """
    choices = []
    for name, value in ratio.items():
        filters = len(network.get_parameter(f"{name}.weight"))
        removed = removed_count(filters, value)
        if not 0 < removed < filters:
            what = "none" if removed == 0 else "all"
            raise ValueError(
                f"pruning.ratio of {name} must remove some but not all of its {filters} filters; {value} removes {what}"
            )
        choices.append(LayerChoice(name, filters, removed))
    return tuple(choices)


def _unknown_layer(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(known[:12])}{', ...' if known[12:] else ''}"
    return f"pruning.ratio must name convolutions or linear layers of the network; got {name!r}: {hint}"
