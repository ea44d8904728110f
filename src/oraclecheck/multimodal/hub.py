"""Models in the Hub's on-disk format: where their folder is, and what its files say before anything is loaded."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from oraclecheck.errors import first_line

KEY = "model.path"
EXTRA = "pip install 'oraclecheck[multimodal]'"

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
"""A model's weights in one file, or the list of the files that they are split over."""

IMAGE_SIDE = 224  # of a vision tower whose configuration says nothing of it


@lru_cache(maxsize=8)
def model_folder(path: str | None) -> Path:
    """The folder of a model.

    Args:
        path: A folder, or the name that the Hub knows a model by, OWNER/NAME, which is fetched if it is not at hand.

    Raises:
        ValueError: If there is none, or it holds no LLaVA.
    """
    if not path:
        raise ValueError(
            f"{KEY} must be a folder in the Hub's format or a model's name there; got none: give {KEY}=DIR"
        )
    folder = fetched(KEY, path)
    kind = configuration(folder).get("model_type")
    if kind != "llava":
        raise ValueError(f"{KEY} must hold a LLaVA, model_type llava in its config.json; got {path}, which says {kind}")
    return folder.absolute()


def configuration(folder: Path, key: str = KEY) -> dict[str, Any]:
    """What a model's `config.json` says.

    Args:
        folder: The model's.
        key: What named it, for messages.

    Raises:
        ValueError: If there is none that can be read.
    """
    try:
        content = json.loads((folder / "config.json").read_bytes())
        if not isinstance(content, dict):
            raise ValueError("it holds no object")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else first_line(error)
        raise ValueError(f"{key} must hold a config.json; got {folder}: {reason}") from None
    return content


def weights_of(folder: Path, key: str = KEY) -> Path:
    """The file that a model's weights are in, or the one that lists them.

    Args:
        folder: The model's.
        key: What named it, for messages.

    Raises:
        ValueError: If the weights are not all there.
    """
    if (folder / WEIGHTS).is_file():
        return folder / WEIGHTS
    rule = f"{key} must hold the model's weights, {WEIGHTS} or {INDEX} with its files"
    if not (folder / INDEX).is_file():
        raise ValueError(f"{rule}; got {folder}, which has neither")
    try:
        listed = sorted(set(json.loads((folder / INDEX).read_bytes())["weight_map"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{rule}; the index in {folder} cannot be read: {first_line(error)}") from None
    if missing := [name for name in listed if not (folder / name).is_file()]:
        raise ValueError(f"{rule}; {folder} lacks {missing[0]}")
    return folder / INDEX


def image_side(path: str | None) -> int:
    """Side of the square images that a model's vision tower takes, in pixels."""
    return int(configuration(model_folder(path)).get("vision_config", {}).get("image_size", IMAGE_SIDE))


def fetched(key: str, path: str, weights: bool = True) -> Path:
    """A folder: the one of that path, or else what the Hub has under that name.

    Args:
        key: What named it, for messages.
        path: The folder, or OWNER/NAME.
        weights: Whether its weights are wanted too, which are gigabytes.

    Raises:
        ValueError: If there is neither.
    """
    if Path(path).is_dir():
        return Path(path)
    rule = f"{key} must be a folder, or a model's name on the Hub, OWNER/NAME; got {path}"
    if path.count("/") != 1 or path.startswith((".", "/", "~")):
        raise ValueError(f"{rule}, which is not there")
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise ValueError(f"{rule}, which is no folder, and what would fetch it is not installed: {EXTRA}") from None
    try:
        return Path(
            snapshot_download(path, allow_patterns=["*.json", "*.model", "*.txt", *["*.safetensors"] * weights])
        )
    except Exception as error:  # no network, no such model, no right to it: each has kinds of its own
        raise ValueError(f"{rule}, which cannot be fetched: {first_line(error)}") from None
