"""How criteria run networks: in eval mode, in IEEE float32, on fixed training images."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from oraclecheck.data.classes import balanced
from oraclecheck.data.images import LabelledImages
from oraclecheck.engines.arithmetic import float32_arithmetic


@contextmanager
def measured(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Eval mode and IEEE float32 while it lasts; afterwards modes are what they were."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        with torch.autocast(device.type, enabled=False), float32_arithmetic(tf32=False):
            yield
    finally:
        for module, training in modes.items():
            module.training = training


def calibration(data: LabelledImages, images: int | None) -> LabelledImages:
    """So many of the images, always the same and balanced over the classes; all if there are no more, or for None.

    They are chosen by the hash of their index, as those of `data.train_eval_images` are; those of a data module, whose
    labels nobody knows beforehand, without a look at the classes.

    Raises:
        ValueError: If it is none.
    """
    if not (_last and _last[0][0] is data and _last[0][1] == images):
        indices = calibration_indices(data, images)
        if images is None or indices is None:
            return data
        _last[:] = [(data, images, data.subset(torch.tensor(indices)))]
    return _last[0][2]


def calibration_indices(data: LabelledImages, images: int | None) -> list[int] | None:
    """The places among `data` of the images that `calibration` chooses; None for all of them.

    Raises:
        ValueError: As `calibration`.
    """
    if images is not None and (type(images) is not int or images < 1):
        raise ValueError(f"images must be null, for all, or at least 1; got {images}")
    if images is None or images >= len(data):
        return None
    labels = getattr(data, "labels", None)
    return balanced([0] * len(data) if labels is None else labels.tolist(), images)


_last: list[tuple[LabelledImages, int, LabelledImages]] = []
"""The last choice: it is the same for every combination of a study."""
