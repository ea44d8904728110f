"""How far apart engines end: the largest relative difference from the Lightning engine's networks, after so many steps.

Handwritten digits, the same seeds, on the CPU; a minute or two. The difference of two networks is the largest, over
the tensors of their states, of the norm of the difference over the norm.
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

import torch
from torch import nn

from oraclecheck.data.augmentation import Augmentation
from oraclecheck.data.images import ImageData, ImageSet
from oraclecheck.data.loading import Preparation
from oraclecheck.data.sources import Digits
from oraclecheck.engines import lightning
from oraclecheck.engines.engine import Engine, Run
from oraclecheck.engines.lanes import conditions
from oraclecheck.engines.lanes.engine import LanesEngine
from oraclecheck.engines.recipe import Recipe
from oraclecheck.engines.stacked.engine import StackedEngine
from oraclecheck.engines.trainer import TrainerSettings
from oraclecheck.networks.lenet import LeNet5Mini
from oraclecheck.networks.resnet_cifar import ResNetCIFAR
from oraclecheck.networks.vgg import VGG19
from oraclecheck.pruning.combination import Removed
from oraclecheck.pruning.structured import prune

CPU = TrainerSettings("cpu")
RUNS = [Run({}, 0), Run({}, 1), Run({}, 2)]  # with other removed filters for each network
SGD = Recipe(3, 32, ((0, 1e-2), (2, 1e-3)), momentum=0.9, weight_decay=1e-4)
RECIPES = {
    "SGD": SGD,
    "SGD, label smoothing, clipping": replace(SGD, label_smoothing=0.1, gradient_clip=1.0),
    "AdamW, cosine": replace(SGD, optimizer="adamw", schedule=((0, 1e-3),), decay="cosine", weight_decay=0.1),
}
NETWORKS: dict[str, tuple[Callable[[], nn.Module], int, str]] = {
    "LeNet5-Mini": (LeNet5Mini, 1, "conv1"),
    "ResNet8 (BatchNorm)": (lambda: ResNetCIFAR(8, 10, 8), 3, "layer1.0.conv1"),
    "VGG19, width 4 (BatchNorm)": (lambda: VGG19(10, 4), 3, "features.conv2_1"),
}


def digits(images: int, channels: int, augmented: bool) -> ImageData:
    """Digits in so many channels, with noise.

    The black around a digit is one number for all its pixels: where rounding moves it across a ReLU's zero, the
    gradients of all of them jump at once, and networks drift apart within a few steps whatever engine trains them.
    """
    train, train_labels, test, test_labels = Digits().read()
    generator, constants = torch.Generator().manual_seed(0), ((0.13,) * channels, (0.31,) * channels)
    sets = []
    for part, labels in ((train, train_labels), (test, test_labels)):
        clean = part[:images].repeat(1, channels, 1, 1) // 2
        noise = torch.randint(0, 128, clean.shape, dtype=torch.uint8, generator=generator)
        sets.append(ImageSet(clean + noise, labels[:images], *constants))
    data = ImageData(*sets)
    return replace(data, train=replace(data.train, augmentation=Augmentation(flip=True))) if augmented else data


def difference(one: nn.Module, other: nn.Module) -> float:
    ours, theirs = one.state_dict().values(), other.state_dict().values()
    return max(((a - b).double().norm() / a.double().norm()).item() for a, b in zip(ours, theirs, strict=True))


def rows(images: int, engines: dict[str, Engine]) -> Iterator[tuple[str, ...]]:
    for network, (make, channels, layer) in NETWORKS.items():
        runs = [replace(run, removed={layer: (run.seed, run.seed + 3)}) for run in RUNS]
        for augmented, named in ((False, "SGD"), (True, "SGD, label smoothing, clipping"), (False, "AdamW, cosine")):
            torch.manual_seed(0)
            recipe, data, dense = RECIPES[named], digits(images, channels, augmented), make()
            pruned = partial(pruned_at, example=torch.zeros(2, channels, 32, 32))
            expected = list(lightning.retrain(runs, dense, pruned, data, recipe, CPU))
            cells = []
            for engine in engines.values():
                if isinstance(engine, LanesEngine) and not lanes_can(dense, data, recipe):
                    cells.append("not covered")
                    continue
                pairs = zip(expected, engine(runs, dense, pruned, data, recipe, CPU), strict=True)
                cells.append(f"{max(difference(a.network, b.network) for a, b in pairs):.0e}")
            steps = recipe.epochs * -(-images // recipe.batch_size)
            yield network, named + ", flips" * augmented, str(steps), *cells


def pruned_at(network: nn.Module, removed: Removed, example: torch.Tensor) -> nn.Module:
    return prune(network, removed, example)


def lanes_can(network: nn.Module, data: ImageData, recipe: Recipe) -> bool:
    preparation = Preparation((0.0,), (1.0,), data.train.augmentation)
    try:
        conditions.check(network, data.train.shape, True, preparation, recipe, CPU)
    except ValueError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=330)
    images = parser.parse_args().images
    with tempfile.TemporaryDirectory() as folder:
        engines: dict[str, Engine] = {"lanes": LanesEngine(Path(folder))}
        engines |= {f"stacked, {k} at once": StackedEngine(k) for k in (1, 3, 7)}
        print(" | ".join(["network", "recipe", "steps", *engines]))
        for row in rows(images, engines):
            print(" | ".join(row), flush=True)


if __name__ == "__main__":
    main()
