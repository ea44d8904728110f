"""The columns of a record that say what computed it."""

import platform
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from typing import Any

import torch

from oraclecheck import __version__

PACKAGES = ("torch", "torchvision", "lightning", "torch-pruning", "hydra-core", "numpy", "pillow", "wandb")
"""What every run is computed with."""

packages_of_modules = cache(metadata.packages_distributions)  # looks at every file of every package
version = cache(metadata.version)  # reads a file as if it were mail: a hundredth of a second for all of them, every run


def provenance(device: torch.device, threads: int, modules: Iterable[str], tools: Mapping[str, str]) -> dict[str, Any]:
    """The columns of a run that starts now, on this device and so many of torch's threads.

    The versions of the packages that `modules`, those of the user's network and data, come from are kept too, and
    `tools`, versions of what is no package.
    """
    named = [name for module in modules for name in packages_of_modules().get(module.partition(".")[0], [])]
    packages = [name for name in dict.fromkeys([*PACKAGES, *named]) if name != "oraclecheck"]
    cuda = device.type == "cuda"
    return {
        "versions": {"oraclecheck": __version__, **{package: version(package) for package in packages}, **tools},
        "device": torch.cuda.get_device_name(device) if cuda else f"{device.type} {platform.machine()}",
        "threads": threads,
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
