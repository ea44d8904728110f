"""The engine that retrains one network after the other with Lightning."""

import time
from collections.abc import Iterable, Iterator
from functools import partial

from torch import nn

from oraclecheck.data.images import ImageData
from oraclecheck.engines.callbacks import History, Pruning
from oraclecheck.engines.engine import Prune, Retraining, Run, Tell
from oraclecheck.engines.masking import Masking
from oraclecheck.engines.recipe import Recipe
from oraclecheck.engines.trainer import TrainerSettings, fit


def retrain(
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
        start = time.perf_counter()
        told = partial(tell, run) if tell else None
        pruning, history = Pruning(prune, run.removed, data, told), History(data, told)
        result: Retraining | Exception
        try:
            network = fit(dense, data.train, recipe, run.seed, trainer, [pruning, Masking(), history])
            assert pruning.train and pruning.test and history.train and history.test
            evaluations = (pruning.train, pruning.test, history.train, history.test)
            seconds = {"prune": pruning.seconds, "retrain": history.seconds, "total": time.perf_counter() - start}
            diverged = history.diverged or any(evaluation.diverged for evaluation in evaluations)
            result = Retraining(network, *evaluations, history.epochs, diverged, seconds)
        except Exception as error:
            result = error
        yield result
