"""Torchvision's trained weights, kept where torch.hub keeps its files."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from oraclecheck.errors import first_line

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum


def weights_file(name: str, key: str) -> Path:
    """Where the file of torchvision's weights belongs, whether it is there or not.

    Args:
        name: As torchvision calls them, such as "ResNet18_Weights.IMAGENET1K_V1".
        key: The configuration key that names them, for messages.

    Raises:
        ValueError: If torchvision has no such weights.
    """
    return Path(torch.hub.get_dir()) / "checkpoints" / _weights(name, key).url.rpartition("/")[2]


def fetch_weights(name: str, key: str) -> Path:
    """The file of torchvision's weights, downloaded if it is not there.

    Raises:
        ValueError: If torchvision has no such weights, or they are not there and cannot be downloaded.
    """
    path = weights_file(name, key)
    if not path.is_file():
        url = _weights(name, key).url
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), hash_prefix=path.stem.rpartition("-")[2], progress=False)
        except (OSError, RuntimeError) as error:
            raise ValueError(
                f"{key} must be at hand; {name} cannot be downloaded here ({first_line(error)}): put {url} into "
                f"{path.parent} as {path.name}"
            ) from None
    return path


def _weights(name: str, key: str) -> "WeightsEnum":
    from torchvision.models import get_weight

    try:
        return get_weight(name)
    except (ValueError, AttributeError, KeyError):
        raise ValueError(
            f"{key} must name weights of torchvision, such as ResNet18_Weights.IMAGENET1K_V1; got {name!r}"
        ) from None
