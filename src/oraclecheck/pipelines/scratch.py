"""The scratch pipeline: the pruned architecture, small and dense, trained from a fresh start.

What a record calls pruned is the network before its first step.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from torch import nn

from oraclecheck.data.images import ImageData
from oraclecheck.engines.engine import Engine, Prune, Run, Tell
from oraclecheck.networks.initialisation import initialise
from oraclecheck.pipelines.dense import Dense
from oraclecheck.pipelines.one_shot import columns, pruner
from oraclecheck.pruning.combination import Removed
from oraclecheck.seeds import derive_seed
from oraclecheck.study.setting import Setting


def scratch(
    engine: Engine, runs: Sequence[Run], dense: Dense, data: ImageData, setting: Setting, tell: Tell
) -> Iterator[dict[str, Any] | Exception]:
    """See `one_shot`."""
    recipe, trainer = setting.retrain.recipe, setting.trainer
    for run in runs:
        start = starter(setting, dense.network, run.seed)
        for result in engine([run], dense.network, start, data, recipe, trainer, tell):
            yield result if isinstance(result, Exception) else columns(result, dense, setting)


def starter(setting: Setting, dense: nn.Module, seed: int) -> Prune:
    """How a setting makes a fresh network of a dense network's pruned architecture.

    Args:
        setting: Says what is pruned.
        dense: The dense network.
        seed: The run's. Beside it the dense network's seed counts, if it was trained here: studies of several dense
            networks would else be the same networks.
    """
    prune = pruner(setting, dense)

    def started(dense: nn.Module, removed: Removed) -> nn.Module:
        device = next(dense.parameters()).device
        network = prune(dense, removed).to("cpu")
        initialise(network, derive_seed(seed, setting.pretrain.seed, "initialisation"))
        return network.to(device)

    return started
