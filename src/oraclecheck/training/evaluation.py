"""Evaluation: loss and accuracy on a whole set, in eval mode, without augmentation, in float32."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from oraclecheck.data.images import ImageSet

BATCH_SIZE = 500  # about the quickest on CPUs; part of a study's identity, for it moves the last bits


@dataclass(frozen=True)
class Evaluation:
    """What a network does on a set.

    Attributes:
        loss: Mean cross-entropy in nats, summed in float64; lower is better.
        accuracy: Fraction of images classified correctly; higher is better.
        correct: Whether each image is, bool, shape (n,), on the CPU.
    """

    loss: float
    accuracy: float
    correct: Tensor

    @property
    def diverged(self) -> bool:
        """Whether the loss is NaN or infinite."""
        return not math.isfinite(self.loss)


def evaluate(network: nn.Module, images: ImageSet) -> Evaluation:
    """Evaluate a network on a whole set that lies on the network's device; its mode is left as it was."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    losses = []
    correct = []
    with torch.inference_mode():
        for batch, labels in images.batches(BATCH_SIZE):
            logits = network(batch)
            losses.append(cross_entropy(logits, labels, reduction="none"))
            correct.append(logits.argmax(1) == labels)
    for module, training in modes.items():
        module.training = training
    # On the CPU, for not every accelerator has float64.
    hits = torch.cat(correct).cpu()
    return Evaluation(torch.cat(losses).cpu().double().mean().item(), hits.double().mean().item(), hits)
