"""Training images in small groups of one class each: all their losses are then sums over the other classes."""

from collections import defaultdict
from collections.abc import Iterator

import torch
from torch import Tensor

from oraclecheck.data.images import LabelledImages
from oraclecheck.engines.evaluation import batch_size


def by_class(images: LabelledImages, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """One pass over a set, as evaluation sees it: normalised images and labels of groups that hold one class each.

    Args:
        images: The set.
        size: Images in a group, but for the last of each class.
    """
    waiting: dict[int, list[Tensor]] = defaultdict(list)

    def group(label: int, left: int) -> Iterator[tuple[Tensor, Tensor]]:
        while sum(map(len, waiting[label])) > left:
            all_of_class = torch.cat(waiting[label])
            waiting[label] = [all_of_class[size:]]
            first = all_of_class[:size]
            yield first, torch.full((len(first),), label, device=first.device)

    for batch, labels in images.batches(batch_size(images.shape)):
        for label in labels.unique().tolist():
            waiting[label].append(batch[labels == label])
            yield from group(label, size - 1)
    for label in sorted(waiting):
        yield from group(label, 0)
