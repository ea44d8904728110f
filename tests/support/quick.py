"""What tests share: overrides that make a study quick, and a small folder of images."""

from pathlib import Path

import numpy as np
from PIL import Image

FEW = "data.source._target_=few_digits.FewDigits"
"""A handful of digits instead of all of them."""

QUICK = (
    *("pretrain.epochs=2", "pretrain.lr='0: 8e-2'", "pretrain.batch_size=16"),
    *("retrain.epochs=2", "retrain.lr='0: 4e-2, 1: 4e-3'", "retrain.batch_size=32"),
    FEW,
    "workers=1",  # in this process
)
"""Two epochs of a handful of digits, which teach the networks something: a run takes an eighth of a second."""


def write_images(folder: Path) -> Path:
    """A folder of images, train/ and test/: two classes of 12 and 6 images of 32x32, bright ones and dark ones."""
    generator = np.random.default_rng(0)
    for part, count in (("train", 12), ("test", 6)):
        for name, level in (("bright", 180), ("dark", 60)):
            home = folder / part / name
            home.mkdir(parents=True)
            for i in range(count):
                pixels = generator.normal(level, 40, size=(32, 32, 3)).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(home / f"{i}.png")
    return folder
