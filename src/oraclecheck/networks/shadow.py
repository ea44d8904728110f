"""Shadows of networks: their layers and shapes on the meta device, without memory for their weights."""

import json
from functools import lru_cache
from typing import Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from torch import nn


def shadow_network(network: dict[str, Any]) -> nn.Module:
    """The shadow of a network; made once in a process, so nobody may change it.

    Args:
        network: Hydra's description of it: `_target_` and arguments.

    Raises:
        ValueError: If it cannot be made.
    """
    return shadow_of(describe(network))


def describe(network: dict[str, Any]) -> str:
    """A network's description as one string, equal for equal descriptions."""
    return json.dumps(network, sort_keys=True)


@lru_cache(maxsize=8)  # the jobs of a sweep are of few networks, and a deep one takes a tenth of a second
def shadow_of(description: str) -> nn.Module:
    """The shadow of what `describe` described; see `shadow_network`."""
    network = json.loads(description)
    try:
        with torch.device("meta"):
            return instantiate(network)
    except InstantiationException as error:
        reason = error.__cause__ or error
        raise ValueError(
            f"model.network must name an importable class and its arguments; got {network}: "
            f"{type(reason).__name__}: {str(reason).splitlines()[0]}"
        ) from error
