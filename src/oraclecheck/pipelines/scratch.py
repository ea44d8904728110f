"""The scratch pipeline: the pruned architecture, small and dense, trained from a fresh start.

What a record calls pruned is the network before its first step.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from torch import nn

from oraclecheck.data.images import ImageData
from oraclecheck.engines.engine import Engine, Run, Tell
from oraclecheck.networks.initialisation import initialise
from oraclecheck.pipelines.dense import Dense
from oraclecheck.pipelines.one_shot import columns, pruner
from oraclecheck.pruning.combination import Removed
from oraclecheck.seeds import derive_seed
from oraclecheck.study.setting import Setting


def scratch(
    engine: Engine, runs: Iterable[Run], dense: Dense, data: ImageData, setting: Setting, tell: Tell
) -> Iterator[dict[str, Any] | Exception]:
    """See `one_shot`."""
    prune, seeds = pruner(setting, dense.network), []

    def taken() -> Iterator[Run]:
        for run in runs:
            seeds.append(run.seed)
            yield run

    def start(network: nn.Module, removed: Removed) -> nn.Module:
        """A fresh network of the pruned architecture; engines prune for a run before they take the next one.

        Beside the run's seed that of the dense network counts: studies of several would else be the same networks.
        """
        device = next(network.parameters()).device
        fresh = prune(network, removed).to("cpu")
        initialise(fresh, derive_seed(seeds[-1], setting.pretrain.seed, "initialisation"))
        return fresh.to(device)

    recipe, trainer = setting.retrain.recipe, setting.trainer
    for result in engine(taken(), dense.network, start, data, recipe, trainer, tell):
        yield result if isinstance(result, Exception) else columns(result, dense, setting)
