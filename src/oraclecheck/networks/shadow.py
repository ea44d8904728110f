"""Shadows of networks: their layers and shapes on the meta device, without memory for their weights."""

import hashlib
import inspect
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
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


def identity(network: dict[str, Any]) -> dict[str, Any]:
    """What defines a network: its description, and for a class of the user's own the content of its file.

    An edited class would else go on in the studies of the one before. What that file imports is not looked at;
    installed packages are told by their version.
    """
    target = get_object(network["_target_"])
    if not target.__module__.startswith(("oraclecheck.", "torchvision.", "torch.")):
        file = inspect.getsourcefile(target)
        if file and "site-packages" not in Path(file).parts:
            return {**network, "source": hashlib.sha256(Path(file).read_bytes()).hexdigest()}
    return network


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
