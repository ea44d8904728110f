"""The data of a composed configuration, as values that Python has."""

import json
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from oraclecheck.command.schema import register_resolver
from oraclecheck.data.augmentation import Augmentation
from oraclecheck.data.loading import Preparation
from oraclecheck.data.module import ModuleSource, is_data_module
from oraclecheck.data.sources import Source
from oraclecheck.errors import tell
from oraclecheck.multimodal.conversations import Conversations
from oraclecheck.networks.target import check_targets

MOST_SCALE = 1e6
"""Of a mean or standard deviation: float32 holds seven digits, so beyond it all pixels of an image become alike."""


def interpret_source(cfg: DictConfig) -> Source | ModuleSource:
    """Where the images of a composed configuration come from.

    Raises:
        ValueError: If a value breaks its key's rule; one sentence that names the key.
    """
    register_resolver()  # in a process that Hydra did not start
    data = cfg.data
    if data.in_memory not in ("auto", True, False):
        raise ValueError(f"data.in_memory must be auto, true or false; got {data.in_memory!r}")
    if data.workers < 0:
        raise ValueError(f"data.workers must be at least 0; got {data.workers}")
    if not 0 < data.crop_ratio <= 1:
        raise ValueError(f"data.crop_ratio must lie in (0, 1]; got {data.crop_ratio}")
    check_targets(plain(data.source), "data.source")
    try:
        source = instantiate(data.source)
    except InstantiationException as error:
        raise ValueError(
            f"data.source must name an importable class and its arguments; got {plain(data.source)}: "
            f"{tell(error.__cause__ or error)}"
        ) from error
    if is_data_module(source):
        arguments = plain(data.source)
        target, shape = arguments.pop("_target_"), tuple(cfg.model.input_shape)
        text = json.dumps(arguments, sort_keys=True)
        return ModuleSource(source, target, text, shape, data.classes, Path(cfg.paths.cache))
    if not hasattr(source, "identity"):
        raise ValueError(
            "data.source must be a LightningDataModule, or a source such as those of oraclecheck.data.sources; got "
            f"{type(source).__name__}"
        )
    if list(source.shape) != list(cfg.model.input_shape):
        raise ValueError(
            f"model.input_shape must be that of the images of {cfg.data.name}, {list(source.shape)}; {cfg.model.name} "
            f"takes {list(cfg.model.input_shape)}: choose another data set or model"
        )
    return source


def interpret_preparation(cfg: DictConfig, source: Source | ModuleSource) -> Preparation:
    """How the images of a source become batches.

    Raises:
        ValueError: If a value breaks its key's rule; one sentence that names the key.
    """
    data = cfg.data
    channels = cfg.model.input_shape[0]
    if isinstance(source, Conversations):
        if data.mean or data.std or Augmentation(**plain(data.augment)):
            raise ValueError(
                "data.mean, data.std and data.augment must be left as they are for conversations, whose images the "
                "model's own image processor normalises"
            )
        return Preparation((), (), train_eval_images=data.train_eval_images)
    if isinstance(source, ModuleSource):
        if data.mean or data.std or Augmentation(**plain(data.augment)) or data.train_eval_images is not None:
            raise ValueError(
                "data.mean, data.std, data.augment and data.train_eval_images must be left as they are for a data "
                "module, which does all that itself"
            )
        if data.train_eval.name == "augmented":
            raise ValueError(
                "data.train_eval must be plain for a data module, whose training set is taken as it is; got augmented"
            )
        return Preparation((), (), channels_last=cfg.model.channels_last)
    if len(data.mean) != channels or len(data.std) != channels or min(data.std) <= 0:
        raise ValueError(
            f"data.mean and data.std must have a number for each channel ({channels}), those of data.std positive; "
            f"got {list(data.mean)} and {list(data.std)}"
        )
    for key, values, smallest in (("data.mean", map(abs, data.mean), 0), ("data.std", data.std, 1 / MOST_SCALE)):
        if not all(smallest <= value <= MOST_SCALE for value in values):
            raise ValueError(
                f"{key} must hold finite numbers of the size of pixels, which lie in [0, 1]; got {list(data[key[5:]])}"
            )
    side = max(cfg.model.input_shape[1:])
    if not 0 <= data.augment.crop_padding <= side:
        raise ValueError(
            f"data.augment.crop_padding must lie in [0, {side}], an image's side; got {data.augment.crop_padding}"
        )
    augmentation = Augmentation(**plain(data.augment))
    if augmentation.resized_crop and not getattr(source, "streams", False):
        raise ValueError(
            "data.augment.resized_crop must be false where images are kept in memory, at their final size; got true: "
            "use data.augment.crop_padding, or read them each time with data.in_memory=false"
        )
    augmented = data.train_eval.name == "augmented"
    if augmented and not augmentation:
        raise ValueError(
            f"data.train_eval must be plain where data.augment changes nothing; got {data.train_eval.name}"
        )
    return Preparation(
        tuple(data.mean), tuple(data.std), augmentation, augmented, data.train_eval_images, cfg.model.channels_last
    )


def plain(value: Any) -> Any:
    """A configuration node as Python's own containers."""
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
