"""Proof that pruning does what a record says it did, before anything is trained on it.

torch-pruning finds by itself what has to change where filters go, and there are networks that it gets wrong without an
error. So a study's pruning is compared, in float64, on random images and for several combinations, with a reference
that knows nothing of dependency graphs (`reference.observe`). A study is run only if

a. every pruned layer keeps exactly the filters that the combination keeps, unchanged;
b. no other module loses outputs, but for those that the same filters alone reach: a depthwise convolution behind the
   layer, or a gate that multiplies its output;
c. in eval mode the logits are the reference's, to 1e-9 of the largest of each class;
d. every parameter is trained, or frozen, as before, shares its values with those it shared them with, and gets a
   gradient in training mode where it got one.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import torch
from torch import Tensor, nn

from oraclecheck.pruning.combination import LayerChoice, Removed
from oraclecheck.pruning.examination import examine, lost_outputs
from oraclecheck.pruning.flaw import UnprovenError, check_training
from oraclecheck.pruning.probe import affordable_images, random_images
from oraclecheck.pruning.structured import as_released, prune

VERSION = 2
"""Of what is proven; a proof of another version is made again."""


def prove(
    dense: nn.Module,
    layers: Sequence[LayerChoice],
    input_shape: Sequence[int],
    *,
    behind: Removed | None = None,
    sampled: int = 3,
) -> dict[str, tuple[str, ...]]:
    """Show that the combinations of these layers can be removed from a network, exactly.

    Args:
        dense: In float64, with the weights in question; it is not changed.
        layers: How many filters of which layers go.
        input_shape: Shape of one image.
        behind: Where pruning is wired as in the paper's released code, the filters whose inputs the layers behind lose
            (see `structured.as_released`); None where it is wired correctly.
        sampled: How many combinations are tried besides the first and the last.

    Returns:
        Layer -> other layers that lose outputs with it, each a depthwise convolution or a gate; only layers that have
        such.

    Raises:
        UnprovenError: If they cannot; one sentence that names the layer and which of (a) to (d) fails.
    """
    with ExitStack() as stack:
        stack.callback(dense.train, dense.training)
        images = affordable_images(input_shape, dense.eval())
        example = torch.zeros(1, *input_shape).to(images)  # what a study traces with
        partners: set[str] = set()
        for number, removed in enumerate(_combinations(layers, sampled)):
            network, gone = (dense, removed) if behind is None else (as_released(dense, removed, behind), behind)
            trials = [images]
            if number == 0 and images.shape[1:] != example.shape[1:]:
                trials.append(random_images(input_shape, dense, 1))
            try:
                for trial in trials:
                    partners.update(examine(network, gone, trial, example))
                if number == 0:
                    check_training(network, prune(network, gone, example), gone, images)
            except ValueError as error:
                raise _blame(network, gone, trial, example, error) from error
        if not partners:
            return {}
        removed = next(_combinations(layers, 0))
        alone = {name: lost_outputs(dense, prune(dense, {name: removed[name]}, example), name) for name in removed}
        return {name: others for name, others in alone.items() if others}


def _combinations(layers: Sequence[LayerChoice], sampled: int) -> Iterator[Removed]:
    """The first combination, the last, and so many at random."""
    yield {layer.name: tuple(range(layer.removed)) for layer in layers}
    yield {layer.name: tuple(range(layer.filters - layer.removed, layer.filters)) for layer in layers}
    chance = random.Random(0)
    for _ in range(sampled):
        yield {layer.name: tuple(sorted(chance.sample(range(layer.filters), layer.removed))) for layer in layers}


def _blame(dense: nn.Module, removed: Removed, images: Tensor, example: Tensor, error: ValueError) -> UnprovenError:
    """The error that names a layer which is wrong by itself, found by halving; or all of which no half is wrong."""
    while len(removed) > 1:
        names = list(removed)
        for half in (names[: len(names) // 2], names[len(names) // 2 :]):
            part = {name: removed[name] for name in half}
            try:
                examine(dense, part, images, example)
            except ValueError as found:
                removed, error = part, found
                break
        else:
            break
    layer = next(iter(removed)) if len(removed) == 1 else None
    return UnprovenError(str(error), getattr(error, "coupled", ()), layer)
