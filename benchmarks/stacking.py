"""Speed of the stacked engine on a GPU, beside the Lightning engine and the usual way there: `make bench`, or alone.

Images are random, for nothing is learned here that matters; the usual way reads them as torchvision's data sets do.
Medians of three; what is compared runs in turn. Each figure is said as soon as it is there; what fails says why, and
the others go on. A machine without a GPU has nothing to show.
"""

import argparse
import copy
import gc
import os
import statistics
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from oraclecheck.data.augmentation import Augmentation
from oraclecheck.data.images import ImageData, ImageSet
from oraclecheck.engines import lightning
from oraclecheck.engines.engine import Run
from oraclecheck.engines.recipe import Recipe
from oraclecheck.engines.stacked.engine import StackedEngine
from oraclecheck.engines.trainer import TrainerSettings, device_of
from oraclecheck.networks.lenet import LeNet5Mini
from oraclecheck.networks.resnet_cifar import ResNetCIFAR
from oraclecheck.networks.vgg import VGG19

REPEATS = 3
CELL = 252 * 3 * 30  # models times epochs of Table 2's conv1 at 0.5
WHOLE_CELL = f"Table 2's conv1 0.5, {CELL:,} models x epochs, minutes (extrapolated)"
LOADERS = 12  # the papers' DataLoader workers
CIFAR = transforms.Compose([transforms.RandomCrop(32, 4), transforms.RandomHorizontalFlip(), transforms.ToTensor()])
MNIST = transforms.Compose([transforms.Resize((32, 32)), transforms.ToTensor()])


@dataclass(frozen=True)
class Sizes:
    """How much is done.

    Attributes:
        networks: LeNet5-Minis at once.
        mnist: Training images of 28x28.
        cifar: Training images of 32x32 in colour.
        width: Of VGG19's first block; ResNet56's is a quarter of it.
        loaders: Processes that load images.
        accelerator: Where.
    """

    networks: int = 64
    mnist: int = 60_000
    cifar: int = 50_000
    width: int = 32
    loaders: int = LOADERS
    accelerator: str = "gpu"


TINY = Sizes(networks=2, mnist=64, cifar=32, width=4, loaders=0, accelerator="cpu")


class Pictures(Dataset):
    """Images that are decoded to PIL's and transformed one by one."""

    def __init__(self, n: int, shape: tuple[int, ...], transform: Callable) -> None:
        self.images = np.random.default_rng(0).integers(0, 256, (n, *shape), dtype=np.uint8)
        self.transform = transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), index % 10


def in_memory(n: int, channels: int, sizes: Sizes, **options) -> ImageData:
    generator, device = torch.Generator().manual_seed(0), device_of(TrainerSettings(sizes.accelerator))
    train, test = (
        ImageSet(
            torch.randint(0, 256, (count, channels, 32, 32), dtype=torch.uint8, generator=generator),
            torch.randint(0, 10, (count,), generator=generator),
            *((0.5,) * channels, (0.25,) * channels),
            **options,
        ).to(device)
        for count in (n, max(1, n // 6))
    )
    return ImageData(train, ImageSet(**{**vars(test), "augmentation": Augmentation()}))


def recipe(epochs: int, images: int) -> Recipe:
    return Recipe(epochs, min(256, images), ((0, 1e-3),), momentum=0.9, weight_decay=1e-4)


def plain_loop(network: nn.Module, pictures: Pictures, sizes: Sizes) -> float:
    """Seconds of an epoch as one writes it; the first, in which workers start and libraries choose, does not count."""
    device = device_of(TrainerSettings(sizes.accelerator))
    network = network.to(device).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)
    loader = DataLoader(
        pictures, min(256, len(pictures)), shuffle=True, num_workers=sizes.loaders, pin_memory=device.type == "cuda"
    )
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        for images, labels in loader:
            optimizer.zero_grad()
            cross_entropy(network(images.to(device)), labels.to(device)).backward()
            optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return seconds[-1]


def seconds_of(results: list) -> float:
    """Seconds that runs were retrained for, all together, with the test set after each epoch."""
    for result in results:
        if isinstance(result, Exception):
            raise result
    return sum(result.seconds["retrain"] for result in results)


def lenets(sizes: Sizes) -> dict[str, float]:
    """Models times epochs a second, of LeNet5-Mini with half of conv1's filters."""
    data, epochs, network = in_memory(sizes.mnist, 1, sizes), 3, LeNet5Mini(5)
    trainer, runs = TrainerSettings(sizes.accelerator), [Run({}, seed) for seed in range(sizes.networks)]
    given = (network, lambda dense, _: copy.deepcopy(dense), data, recipe(epochs, sizes.mnist), trainer)
    stacked = StackedEngine(sizes.networks)
    list(stacked(runs, *given))  # captures its step
    one = runs[:1]
    list(lightning.retrain(one, *given))
    usual = plain_loop(copy.deepcopy(network), Pictures(sizes.mnist, (28, 28), MNIST), sizes)
    return {
        "stacked": sizes.networks * epochs / seconds_of(list(stacked(runs, *given))),
        "lightning": epochs / seconds_of(list(lightning.retrain(one, *given))),
        "usual way": 1 / usual,
    }


def large(make: Callable[[], nn.Module], sizes: Sizes) -> dict[str, float]:
    """Images a second of a network that fills a GPU alone, captured and in bfloat16, with flips and crops."""
    augmentation, epochs = Augmentation(4, True), 2
    data = in_memory(sizes.cifar, 3, sizes, augmentation=augmentation, channels_last=True)
    trainer, runs = TrainerSettings(sizes.accelerator, "bf16-mixed"), [Run({}, 0)]
    network = make().to(memory_format=torch.channels_last)
    given = (network, lambda dense, _: copy.deepcopy(dense), data, recipe(epochs, sizes.cifar), trainer)
    captured = StackedEngine(1)
    list(captured(runs, *given))
    plain = plain_loop(make(), Pictures(sizes.cifar, (32, 32, 3), CIFAR), sizes)
    return {
        "captured": sizes.cifar * epochs / seconds_of(list(captured(runs, *given))),
        "plain loop": sizes.cifar / plain,
    }


def ratios_of_lenets(sizes: Sizes) -> dict[str, float]:
    """The rows of LeNet5-Mini."""
    found = lenets(sizes)
    return {f"LeNet5-Mini, {way}, models x epochs a second": value for way, value in found.items()} | {
        "stacked / usual way": found["stacked"] / found["usual way"],
        "stacked / lightning": found["stacked"] / found["lightning"],
        WHOLE_CELL: CELL / found["stacked"] / 60,
    }


def ratios_of(name: str, make: Callable[[], nn.Module], sizes: Sizes) -> dict[str, float]:
    """The rows of a large network."""
    found = large(make, sizes)
    return {f"{name} at half width, {way}, images a second": value for way, value in found.items()} | {
        f"{name}, captured / plain loop": found["captured"] / found["plain loop"]
    }


def measure(sizes: Sizes, repeats: int, minutes: float) -> Table:
    """The rows, each with its ratio and what is to be reached; after so many minutes nothing more is begun."""
    end = time.monotonic() + 60 * minutes
    found: dict[str, list[float]] = {}
    for repeat in range(repeats):
        for measured in (
            lambda: ratios_of_lenets(sizes),
            lambda: ratios_of("ResNet56", lambda: ResNetCIFAR(56, 10, sizes.width // 4), sizes),
            lambda: ratios_of("VGG19", lambda: VGG19(100, sizes.width), sizes),
        ):
            if time.monotonic() > end:
                print(f"after {minutes:g} minutes nothing more is begun", flush=True)
                break
            try:
                for name, value in measured().items():
                    print(f"repeat {repeat + 1}: {name}: {value:.2f}", flush=True)
                    found.setdefault(name, []).append(value)
            except Exception:
                traceback.print_exc()
            gc.collect()
            torch.cuda.empty_cache()
    bounds = {"stacked / usual way": "≥ 50", "ResNet56, captured / plain loop": "≥ 5"}
    bounds |= {"VGG19, captured / plain loop": "≥ 5", WHOLE_CELL: "≤ 5"}
    table = Table("stacked engine", *(f"repeat {i + 1}" for i in range(repeats)), "median", "bound")
    for name, values in found.items():
        said = [f"{value:.2f}" for value in values] + [""] * (repeats - len(values))
        table.add_row(name, *said, f"{statistics.median(values):.2f}", bounds.get(name, ""))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="on the CPU, with next to no work, to see that it runs")
    parser.add_argument("--minutes", type=float, default=60.0, help="after which nothing more is begun")
    given = parser.parse_args()
    if not given.tiny and not torch.cuda.is_available():
        print("stacked engine: to be run; there is no CUDA device on this machine")
        return
    where = "CPU" if given.tiny else torch.cuda.get_device_name()
    sizes, repeats = (TINY, 1) if given.tiny else (Sizes(), REPEATS)
    Console(width=160).print(f"on {where}, {os.cpu_count()} cores", measure(sizes, repeats, given.minutes))


if __name__ == "__main__":
    main()
