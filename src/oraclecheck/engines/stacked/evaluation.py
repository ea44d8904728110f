"""Evaluation of all networks of a stack together; see `engines.evaluation`, whose rules it keeps."""

from itertools import count

import torch
from torch.nn.functional import cross_entropy

from oraclecheck.data.images import LabelledImages
from oraclecheck.engines.evaluation import Evaluation, batch_size, measuring
from oraclecheck.engines.stacked.stack import Stack


def evaluate_stack(stack: Stack, images: LabelledImages) -> list[Evaluation]:
    """Evaluate every network of a stack on a whole set that lies on its device."""
    size = batch_size(images.shape)
    losses = torch.empty(stack.size, len(images), device=images.device)
    correct = torch.empty(stack.size, len(images), dtype=torch.bool, device=images.device)
    with measuring(stack.template, images.device):
        for start, (batch, labels) in zip(count(step=size), images.batches(size), strict=False):
            here = slice(start, start + len(labels))
            logits = stack(batch)
            of_each = labels.expand(stack.size, -1)
            each = cross_entropy(logits.flatten(0, 1), of_each.flatten(), reduction="none")
            losses[:, here] = each.view_as(of_each)
            correct[:, here] = logits.argmax(2) == labels
    means, hits = losses.cpu().double().mean(1).tolist(), correct.cpu()
    return [Evaluation(mean, right.double().mean().item(), right) for mean, right in zip(means, hits, strict=True)]
