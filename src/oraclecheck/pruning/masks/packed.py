"""Masks as they are kept: packed bits with a hash, in a file that needs nothing to be read by."""

import hashlib
import json
import math
from base64 import b64decode, b64encode
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from oraclecheck.files import create_json, read_file

MASKS_FILE = "masks.json"
"""Beside the repeats of a combination."""


def mask_hash(masks: Mapping[str, Tensor]) -> str:
    """SHA-256 (hex) of the names, shapes and packed bits of masks, independent of their order."""
    sha = hashlib.sha256()
    for name, removed in sorted(masks.items()):
        sha.update(f"{name} {tuple(removed.shape)} ".encode())
        sha.update(_packed(removed))
    return sha.hexdigest()


def keep_masks(path: Path, masks: Mapping[str, Tensor]) -> str:
    """Write masks down unless they are there; gives their hash.

    Raises:
        ValueError: If other masks are there.
    """
    sha = mask_hash(masks)
    if not path.is_file():
        layers = {
            name: {"shape": list(removed.shape), "bits": b64encode(_packed(removed)).decode()}
            for name, removed in masks.items()
        }
        create_json(path, {"sha256": sha, "layers": layers})
    there = mask_hash(read_masks(path))
    if there != sha:
        raise ValueError(
            f"masks of a combination must be the same wherever they are made; {path} holds {there[:8]}, here they are "
            f"{sha[:8]}: another version of NumPy or torch made them"
        )
    return sha


def read_masks(path: Path) -> dict[str, Tensor]:
    """The masks in a file, layer -> bool, True where the weight goes.

    Raises:
        ValueError: If it is not the file that `keep_masks` wrote.
    """
    try:
        content = json.loads(read_file(path))
        masks = {name: _unpacked(each["bits"], each["shape"]) for name, each in content["layers"].items()}
        whole = mask_hash(masks) == content["sha256"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} must hold masks; it cannot be read: {error}") from None
    if not whole:
        raise ValueError(f"{path} must hold the masks of its SHA-256; they are others: delete it")
    return masks


def _packed(removed: Tensor) -> bytes:
    return np.packbits(removed.cpu().numpy().reshape(-1)).tobytes()


def _unpacked(bits: str, shape: list[int]) -> Tensor:
    flat = np.unpackbits(np.frombuffer(b64decode(bits), np.uint8), count=math.prod(shape))
    return torch.from_numpy(flat.astype(bool).reshape(shape))
