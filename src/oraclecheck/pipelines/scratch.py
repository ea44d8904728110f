"""The scratch pipeline: the pruned architecture, small and dense, trained from a fresh start.

What a record calls pruned is the network before its first step.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
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
    prune = pruner(setting, dense.network)
    own: list[tuple[Run, Run]] = []  # the runs as engines have them, and as they were asked for

    def taken() -> Iterator[Run]:
        """The runs, each with a seed of its own for each dense network: they share nothing else with it."""
        for run in runs:
            own.append((replace(run, seed=derive_seed(run.seed, setting.pretrain.seed, "scratch")), run))
            yield own[-1][0]

    def told(run: Run, entry: dict[str, float]) -> None:
        tell(next(asked for taken, asked in own if taken is run), entry)

    def start(network: nn.Module, removed: Removed) -> nn.Module:
        """A fresh network of the pruned architecture; engines prune for a run before they take the next one."""
        device = next(network.parameters()).device
        fresh = prune(network, removed).to("cpu")
        initialise(fresh, derive_seed(own[-1][0].seed, "initialisation"))
        return fresh.to(device)

    recipe, trainer = setting.retrain.recipe, setting.trainer
    for result in engine(taken(), dense.network, start, data, recipe, trainer, told):
        yield result if isinstance(result, Exception) else columns(result, dense, setting)
