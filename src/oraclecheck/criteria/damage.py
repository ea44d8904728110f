"""Scores of the pruned network itself."""

import math
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from oraclecheck.criteria.measuring import calibration, measured
from oraclecheck.data.images import LabelledImages
from oraclecheck.engines.arithmetic import float32_arithmetic
from oraclecheck.engines.evaluation import batch_size as evaluation_batch
from oraclecheck.engines.evaluation import evaluate
from oraclecheck.pruning.masks.network import hold, hold_gradients, masked_weights


def oracle(network: nn.Module, data: LabelledImages, *, images: int | None = None) -> float:
    """The pruned train loss (Feng et al., arXiv 2412.00143, Eq. 1): mean cross-entropy on training images, in nats.

    Args:
        network: The pruned network, on the device of the data.
        data: Training images.
        images: How many of them; null for all, which records hold already. `oracle@1000` is `oracle` with 1000.

    Returns:
        Lower is better to remove.
    """
    return evaluate(network, calibration(data, images)).loss


def train_accuracy(network: nn.Module, data: LabelledImages, *, images: int | None = None) -> float:
    """One minus the pruned train accuracy, so that lower is better to remove; see `oracle`."""
    return 1 - evaluate(network, calibration(data, images)).accuracy


def gradient_norm(network: nn.Module, data: LabelledImages, *, images: int | None = 1_000) -> float:
    """The L2 norm of the gradient of the mean training loss, over all parameters of the pruned network.

    Low is taken to be better to remove: retraining begins nearer to where nothing pulls. GraSP (Wang et al., ICLR
    2020) and grad_norm as a proxy for architectures (Abdelfattah et al., ICLR 2021) want it high: turn the sign of an
    agreement to have theirs.

    Args:
        network: The pruned network, on the device of the data.
        data: Training images.
        images: How many of them; null for all.

    Returns:
        Nats per unit of the parameters; lower is better to remove.
    """
    chosen = calibration(data, images)
    parameters = [each for each in network.parameters() if each.requires_grad]
    total = [torch.zeros_like(each) for each in parameters]
    with measured(network, data.device):
        for batch, labels in chosen.batches(chosen.measured_at_once or evaluation_batch(chosen.shape)):
            loss = cross_entropy(network(batch), labels, reduction="sum") / chosen.labels_in_all
            # a batch without images does not use what sees them
            gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
            for so_far, gradient in zip(total, gradients, strict=True):
                if gradient is not None:
                    so_far += gradient
    removed = {id(weight): where for weight, where in masked_weights(network)}
    for parameter, gradient in zip(parameters, total, strict=True):
        if id(parameter) in removed:
            gradient.masked_fill_(removed[id(parameter)], 0)
    return math.sqrt(sum(each.double().square().sum().item() for each in (part.cpu() for part in total)))


def after_steps(
    network: nn.Module,
    data: LabelledImages,
    *,
    steps: int = 10,
    lr: float = 1e-3,
    momentum: float = 0.9,
    weight_decay: float = 1e-4,
    batch_size: int = 256,
    seed: int = 0,
    images: int | None = None,
) -> float:
    """The training loss after a few steps of retraining: SGD from the pruned network, in nats.

    Args:
        network: The pruned network, on the device of the data; it is trained in place.
        data: Training images; every combination sees the same in the same order.
        steps: How many.
        lr: Learning rate.
        momentum: Of SGD.
        weight_decay: Of SGD.
        batch_size: Images of a step, or conversations, whose gradients are added up over as many as are measured at
            once.
        seed: Of the order of the images, and of what the network draws at random, as dropout does.
        images: How many the loss is measured on; null for all.

    Returns:
        Lower is better to remove.

    Raises:
        ValueError: If there is no step to take.
    """
    if type(steps) is not int or steps < 1:
        raise ValueError(f"steps must be at least 1; got {steps}")
    optimizer = torch.optim.SGD(network.parameters(), lr=lr, momentum=momentum, weight_decay=weight_decay)
    masked = masked_weights(network)
    network.train()
    devices = [data.device] if data.device.type == "cuda" else []
    with float32_arithmetic(tf32=False), torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        for parts in islice(_training_batches(data, batch_size, seed), steps):
            optimizer.zero_grad()
            for batch, labels, share in parts:
                (cross_entropy(network(batch), labels) * share).backward()
            hold_gradients(masked)
            optimizer.step()
            hold(masked)
    return evaluate(network, calibration(data, images)).loss


def _training_batches(
    data: LabelledImages, size: int, seed: int
) -> Iterator[Iterable[tuple[Any, torch.Tensor, float]]]:
    """Shuffled batches without end, each in as many parts as memory asks for, and what each part's mean counts."""
    shuffled = data.shuffled(size, seed)
    while data.measured_at_once is None:
        for batch, labels in shuffled:
            yield [(batch, labels, 1.0)]
    while True:
        for indices in shuffled.draw()[0].split(size):
            some = data.subset(indices)
            parts = some.batches(data.measured_at_once)
            yield ((batch, labels, len(labels) / some.labels_in_all) for batch, labels in parts if len(labels))
