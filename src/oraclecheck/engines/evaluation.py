"""Evaluation: loss and accuracy on a whole set, in eval mode, in IEEE float32, whatever a network is trained in."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from oraclecheck.data.images import LabelledImages
from oraclecheck.engines.arithmetic import float32_arithmetic
from oraclecheck.engines.pooling import quick_pooling
from oraclecheck.engines.prefix import Prefix
from oraclecheck.engines.sharded.ranks import all_said, rank_and_ranks

BATCH_SIZE = 500  # about the quickest on CPUs; part of a study's identity, for it moves the last bits
BATCH_PIXELS = BATCH_SIZE * 112**2  # of 224x224 images a batch has 125, whose activations fit into memory


def batch_size(input_shape: Sequence[int]) -> int:
    """Images per batch of an evaluation, for images of shape (channels, height, width)."""
    return max(1, min(BATCH_SIZE, BATCH_PIXELS // (input_shape[-2] * input_shape[-1])))


@dataclass(frozen=True)
class Evaluation:
    """What a network does on a set.

    Attributes:
        loss: Mean cross-entropy in nats, summed in float64; lower is better.
        accuracy: Fraction of images classified correctly; higher is better.
        correct: Whether each image is, bool, shape (n,), on the CPU.

    Of a language model it is the tokens of answers that are foretold, each from those before it, instead of images.
    """

    loss: float
    accuracy: float
    correct: Tensor

    @property
    def diverged(self) -> bool:
        """Whether the loss is NaN or infinite."""
        return not math.isfinite(self.loss)

    def columns(self, prefix: str) -> dict[str, float]:
        """Loss and accuracy as a record has them, such as `final_test_loss`."""
        return {f"{prefix}_loss": self.loss, f"{prefix}_accuracy": self.accuracy}


def evaluate(network: nn.Module, images: LabelledImages) -> Evaluation:
    """Evaluate a network on a whole set that lies on the network's device; its mode is left as it was.

    Ranks evaluate a network that is sharded over them together, and all of them know what came of it.
    """
    with measuring(network, images.device):
        if rank_and_ranks()[1] > 1:
            return _evaluated_together(network, images)
        return _evaluations(lambda batch: [network(batch)], 1, images)[0]


def _evaluated_together(network: nn.Module, images: LabelledImages) -> Evaluation:
    """The same batches as one process has, in turns.

    Whoever has none left takes another again, which counts nothing: weights are gathered from all ranks, or from none.
    """
    rank, ranks = rank_and_ranks()
    batches = torch.arange(len(images)).split(images.measured_at_once or batch_size(images.shape))
    turns = -(-len(batches) // ranks)
    mine = images.subset(torch.cat([batches[(turn * ranks + rank) % len(batches)] for turn in range(turns)]))
    measured = []
    for batch, labels in mine.batches(len(batches[0])):
        logits = network(batch)
        losses = cross_entropy(logits, labels, reduction="none")
        measured.append((losses.cpu(), (logits.argmax(1) == labels).cpu()))
    told = all_said(measured)
    in_order = [told[number % ranks][number // ranks] for number in range(len(batches))]
    losses, correct = (torch.cat(parts) for parts in zip(*in_order, strict=True))
    return _evaluation(losses.double(), correct)


def evaluate_each(networks: Sequence[nn.Module], images: LabelledImages, prefix: Prefix) -> list[Evaluation]:
    """Evaluate pruned networks on a whole set; what they have in common is computed once for each batch.

    Args:
        networks: In eval mode, on the images' device.
        images: The set.
        prefix: What they have in common.
    """
    device = images.device
    with (
        torch.inference_mode(),
        torch.autocast(device.type, enabled=False),
        float32_arithmetic(tf32=False),
        quick_pooling(device),
    ):
        return _evaluations(lambda batch: prefix.logits(networks, batch), len(networks), images)


def _evaluations(
    logits_of: Callable[[Tensor], Iterable[Tensor]], networks: int, images: LabelledImages
) -> list[Evaluation]:
    size = images.measured_at_once or batch_size(images.shape)
    # Made before the large activations: small tensors kept alive between them would fragment the heap.
    losses = torch.empty(networks, images.labels_in_all, device=images.device)
    correct = torch.empty(networks, images.labels_in_all, dtype=torch.bool, device=images.device)
    start = 0
    for batch, labels in images.batches(size):
        here = slice(start, start + len(labels))
        start += len(labels)
        for number, logits in enumerate(logits_of(batch)):
            losses[number, here] = cross_entropy(logits, labels, reduction="none")
            correct[number, here] = logits.argmax(1) == labels
    # On the CPU, for not every accelerator has float64.
    means, hits = losses.cpu().double(), correct.cpu()
    return [_evaluation(loss, hit) for loss, hit in zip(means, hits, strict=True)]


def _evaluation(losses: Tensor, correct: Tensor) -> Evaluation:
    return Evaluation(losses.mean().item(), correct.double().mean().item(), correct.clone())


def first_loss(network: nn.Module, images: LabelledImages) -> float:
    """Mean cross-entropy on the first batch that `evaluate` would take: little work that tells networks apart."""
    with measuring(network, images.device):
        batch, labels = next(images.batches(images.measured_at_once or batch_size(images.shape)))
        return cross_entropy(network(batch), labels).item() if len(labels) else 0.0


@contextmanager
def measuring(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Eval mode and IEEE float32, also within a training of another precision."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    # what weights are gathered into while they are measured is trained with afterwards
    ungraded: Any = torch.inference_mode() if rank_and_ranks()[1] == 1 else torch.no_grad()
    try:
        exactly = torch.autocast(device.type, enabled=False)
        with ungraded, exactly, float32_arithmetic(tf32=False), quick_pooling(device):
            yield
    finally:
        for module, training in modes.items():
            module.training = training
