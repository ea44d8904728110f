"""The engine that retrains chains of small layers, one network after the other, with kernels made for their shapes.

What it does is what the Lightning engine does: the same order of images, SGD, rates and measurements. The sums of
float32 numbers are in another order.
"""

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from oraclecheck.data.images import ImageData, ImageSet
from oraclecheck.engines.engine import Prune, Retraining, Run, Tell
from oraclecheck.engines.lanes.chain import chain_of
from oraclecheck.engines.lanes.library import library_of
from oraclecheck.engines.recipe import Recipe
from oraclecheck.engines.trainer import TrainerSettings
from oraclecheck.pruning.masks.network import masked_weights


class LanesEngine:
    """See `Engine`.

    Args:
        cache: Folder of the compiled kernels.
    """

    def __init__(self, cache: Path) -> None:
        self.cache = cache

    def __call__(
        self,
        runs: Iterable[Run],
        dense: nn.Module,
        prune: Prune,
        data: ImageData,
        recipe: Recipe,
        trainer: TrainerSettings,
        tell: Tell | None = None,
    ) -> Iterator[Retraining | Exception]:
        """See `Engine`."""
        for run in runs:
            result: Retraining | Exception
            try:
                result = self._retrain(run, dense, prune, data, recipe, tell)
            except Exception as error:
                result = error
            yield result

    def _retrain(
        self, run: Run, dense: nn.Module, prune: Prune, data: ImageData, recipe: Recipe, tell: Tell | None
    ) -> Retraining:
        start = time.perf_counter()
        network = prune(dense, run.removed)
        chain = chain_of(network, data.train.shape)
        library = library_of(chain, self.cache)
        parameters = _flat(chain.parameters(network))
        velocity = torch.zeros_like(parameters)
        removed = _removed(network, chain.parameters(network))
        train, test, measured = (_in_memory(part) for part in (data.train, data.test, data.measured_train))
        pruned_train, pruned_test = (library.evaluate(parameters, images) for images in (measured, test))
        pruned = time.perf_counter()
        if tell:
            tell(run, {**pruned_train.columns("pruned_train"), **pruned_test.columns("pruned_test")})
        batches = train.shuffled(recipe.batch_size, run.seed)
        history: list[dict[str, float]] = []
        began = time.perf_counter()
        for epoch in range(recipe.epochs):
            rate = recipe.rate(epoch)
            order, _ = batches.draw()
            step = (recipe.batch_size, rate, recipe.momentum, recipe.weight_decay)
            losses = library.train(parameters, velocity, train, order, *step, removed)
            final_test = library.evaluate(parameters, test)
            entry = {
                "epoch": epoch,
                "lr": rate,
                "train_loss": losses.double().mean().item(),
                "test_loss": final_test.loss,
                "test_accuracy": final_test.accuracy,
            }
            history.append(entry)
            if tell:
                tell(run, entry)
            diverged = not math.isfinite(entry["train_loss"]) or final_test.diverged
            if diverged:
                break
        retrained = time.perf_counter()
        final_train = library.evaluate(parameters, measured)
        _put_back(parameters, chain.parameters(network))
        evaluations = (pruned_train, pruned_test, final_train, final_test)
        seconds = {"prune": pruned - start, "retrain": retrained - began, "total": time.perf_counter() - start}
        diverged = diverged or any(evaluation.diverged for evaluation in evaluations)
        return Retraining(network, *evaluations, history, diverged, seconds)


def _in_memory(images: Any) -> ImageSet:
    if not isinstance(images, ImageSet) or images.augmentation:
        raise ValueError("data must lie in memory, without data.augment, for engine=lanes: choose engine=lightning")
    return images


def _flat(parameters: Sequence[nn.Parameter]) -> Tensor:
    """The values of parameters, one behind the other, each in the order of its dimensions whatever its layout."""
    return torch.cat([parameter.detach().reshape(-1) for parameter in parameters])


def _removed(network: nn.Module, parameters: Sequence[nn.Parameter]) -> Tensor | None:
    """Which of the values are weights that are masked; None where a network has no masks."""
    masks = {id(weight): removed for weight, removed in masked_weights(network)}
    if not masks:
        return None
    return torch.cat([masks.get(id(p), torch.zeros_like(p, dtype=torch.bool)).reshape(-1) for p in parameters])


def _put_back(values: Tensor, parameters: Sequence[nn.Parameter]) -> None:
    with torch.no_grad():
        for part, parameter in zip(values.split([p.numel() for p in parameters]), parameters, strict=True):
            parameter.copy_(part.view_as(parameter))
