"""Where a step of the stacked engine goes on a GPU, and what its convolutions would take in other ways.

Seconds of a step of LeNet5-Mini for several numbers of networks, captured and not; then which kernels they are. Each
part is said as soon as it is there; what fails says why, and the others go on.
"""

import copy
import sys
import time
import traceback
from collections.abc import Callable

import torch
from stacking import Sizes, in_memory, recipe
from torch import Tensor, nn
from torch.nn.functional import conv2d, unfold
from torch.profiler import ProfilerActivity, profile

from oraclecheck.data.augmentation import Augmentation
from oraclecheck.data.images import ImageSet
from oraclecheck.engines.evaluation import batch_size
from oraclecheck.engines.recipe import Recipe
from oraclecheck.engines.stacked.evaluation import evaluate_stack
from oraclecheck.engines.stacked.step import Step
from oraclecheck.networks.lenet import LeNet5Mini
from oraclecheck.networks.resnet_cifar import ResNetCIFAR
from oraclecheck.networks.vgg import VGG19


def timed(work: Callable[[], object], times: int = 20) -> float:
    """Milliseconds of some work, of several in a row."""
    work()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(times):
        work()
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / times * 1000


def steps(network: nn.Module, networks: int, train: ImageSet, recipe: Recipe, precision: str) -> None:
    """Say what a step and an evaluation of a batch take, and what they hold."""
    torch.cuda.reset_peak_memory_stats()
    step = Step(network, networks, train, recipe, precision)
    captured, eager = step._steps[step._batches[0]], lambda: step._train(step._batches[0])

    def begin(work: Callable[[], object]) -> Callable[[], object]:
        return lambda: (step._number.zero_(), work())

    batch = train.subset(torch.arange(batch_size(train.shape)))
    print(
        f"{type(network).__name__}, {networks} networks, {precision}: "
        f"{timed(begin(captured)):.2f} ms a step, {timed(begin(eager), 5):.2f} uncaptured, "
        f"{timed(lambda: evaluate_stack(step.stack, batch), 5):.2f} an evaluation of {len(batch)} images; "
        f"{torch.cuda.max_memory_reserved() / 1e9:.2f} GB at most",
        flush=True,
    )


def kernels(network: nn.Module, networks: int, train: ImageSet, recipe: Recipe, precision: str) -> None:
    """Say which kernels a step consists of."""
    step = Step(network, networks, train, recipe, precision)
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as found:
        for _ in range(3):
            step._number.zero_()
            step._train(step._batches[0])
        torch.cuda.synchronize()
    print(f"{type(network).__name__}, {networks} networks, {precision}: kernels of three steps")
    print(
        found.key_averages().table(sort_by="self_cuda_time_total", row_limit=22, max_name_column_width=90), flush=True
    )


def grouped(images: Tensor, weights: Tensor) -> Tensor:
    """As `torch.func.vmap` has it: (n, networks * channels, ...) and as many groups as networks."""
    networks, n = images.shape[:2]
    merged = images.transpose(0, 1).reshape(n, -1, *images.shape[3:])
    found = conv2d(merged, weights.flatten(0, 1), groups=networks)
    return found.view(n, networks, -1, *found.shape[2:]).transpose(0, 1)


def grouped_last(images: Tensor, weights: Tensor) -> Tensor:
    """The same with channels last."""
    networks, n = images.shape[:2]
    merged = images.transpose(0, 1).reshape(n, -1, *images.shape[3:]).contiguous(memory_format=torch.channels_last)
    flat = weights.flatten(0, 1).contiguous(memory_format=torch.channels_last)
    found = conv2d(merged, flat, groups=networks)
    return found.reshape(n, networks, -1, *found.shape[2:]).transpose(0, 1)


def unfolded(images: Tensor, weights: Tensor) -> Tensor:
    """As a product of matrices for each network."""
    (networks, n), k = images.shape[:2], weights.shape[-1]
    columns = unfold(images.flatten(0, 1), k).view(networks, n, -1, (images.shape[3] - k + 1) ** 2)
    found = weights.flatten(2)[:, None] @ columns
    return found.unflatten(3, (images.shape[3] - k + 1, -1))


def apart(images: Tensor, weights: Tensor) -> Tensor:
    """One network after the other."""
    return torch.stack([conv2d(own, weight) for own, weight in zip(images, weights, strict=True)])


def convolutions(networks: int, n: int) -> None:
    """Say what ways of convolving take, forward and backward, for LeNet5-Mini with half of conv1."""
    ways = {"grouped": grouped, "grouped, channels last": grouped_last, "unfolded": unfolded, "apart": apart}
    ways |= {f"{name}, compiled": torch.compile(ways[name]) for name in ("grouped", "unfolded")}
    for inputs, outputs, side in ((1, 5, 32), (5, 10, 14), (10, 10, 5)):
        images = torch.randn(networks, n, inputs, side, side, device="cuda", requires_grad=inputs > 1)
        weights = torch.randn(networks, outputs, inputs, 5, 5, device="cuda", requires_grad=True)
        for name, way in ways.items():
            print(f"{inputs} to {outputs} channels of {side}x{side}, {networks} networks, {name}: ", end="", flush=True)
            try:
                print(compared(way, images, weights), flush=True)
            except Exception:
                print("failed", flush=True)
                traceback.print_exc(limit=3)


def compared(way: Callable[[Tensor, Tensor], Tensor], images: Tensor, weights: Tensor) -> str:
    """Milliseconds of one way, and how far its result is from that of each network apart."""
    asked = [weights, images] if images.requires_grad else [weights]

    def forward() -> Tensor:
        with torch.no_grad():
            return way(images, weights)

    def both() -> None:
        torch.autograd.grad(way(images, weights).square().sum(), asked)

    with torch.no_grad():
        difference = (forward() - apart(images, weights)).abs().max().item()
    return f"{timed(forward, 5):.2f} ms forward, {timed(both, 5):.2f} with backward, {difference:.0e} from apart"


def main() -> None:
    if not torch.cuda.is_available():
        sys.exit("there is no CUDA device on this machine")
    print(torch.__version__, torch.version.cuda, torch.backends.cudnn.version(), torch.cuda.get_device_name())
    sizes = Sizes()
    mnist = in_memory(2560, 1, sizes).train
    cifar = in_memory(2560, 3, sizes, augmentation=Augmentation(4, True), channels_last=True).train
    small, large = LeNet5Mini(5), ResNetCIFAR(56, 10, 8).to(memory_format=torch.channels_last)
    vgg = VGG19(100, 32).to(memory_format=torch.channels_last)
    said = recipe(1, 2560)
    parts = [(steps, small, k, mnist, said, "32-true") for k in (1, 8, 64)]
    parts += [(kernels, small, 64, mnist, said, "32-true")]
    parts += [
        (steps, each, 1, cifar, said, precision) for each in (large, vgg) for precision in ("bf16-mixed", "32-true")
    ]
    parts += [(steps, small, 64, mnist, said, precision) for precision in ("tf32", "bf16-mixed")]
    parts += [(steps, small, 256, mnist, said, "32-true"), (steps, large, 8, cifar, said, "bf16-mixed")]
    parts += [(kernels, large, 1, cifar, said, "bf16-mixed")]
    for part, network, *others in parts:
        try:
            part(copy.deepcopy(network), *others)
        except Exception:
            traceback.print_exc()
        torch.cuda.empty_cache()
    convolutions(64, 256)


if __name__ == "__main__":
    main()
