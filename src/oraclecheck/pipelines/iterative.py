"""The iterative pipeline: rounds, each of which removes some of the dense network's filters and retrains what is left.

Feng et al., Appendix B.2. The removed sets are nested: what has gone stays away.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from oraclecheck.data.images import ImageData
from oraclecheck.engines.engine import Engine, Retraining, Run, Tell
from oraclecheck.networks.shadow import parameters_and_macs
from oraclecheck.pipelines.dense import Dense
from oraclecheck.pipelines.one_shot import columns, pruner
from oraclecheck.pruning.rounds import NestedSpace, renumbered
from oraclecheck.seeds import derive_seed
from oraclecheck.study.setting import Setting


def iterative(
    engine: Engine, runs: Iterable[Run], dense: Dense, data: ImageData, setting: Setting, tell: Tell
) -> Iterator[dict[str, Any] | Exception]:
    """See `one_shot`."""
    for run in runs:
        try:
            yield _in_rounds(engine, run, dense, data, setting, tell)
        except Exception as error:
            yield error


def _in_rounds(engine: Engine, run: Run, dense: Dense, data: ImageData, setting: Setting, tell: Tell) -> dict[str, Any]:
    space, recipes = setting.pruning.space, setting.pipeline.rounds
    assert isinstance(space, NestedSpace)
    network, prune = dense.network, pruner(setting, dense.network)
    gone: dict[str, tuple[int, ...]] = {}
    history: list[dict[str, float]] = []
    rounds: list[dict[str, float]] = []
    seconds: list[dict[str, float]] = []
    for number, (removed, recipe) in enumerate(zip(space.split(run.removed), recipes, strict=True)):
        current = {name: filters for name, filters in renumbered(removed, gone).items() if filters}
        # the first round sees the order of images that one-shot pruning sees
        seed = derive_seed(run.seed, "round", number) if number else run.seed
        before = len(history)

        def told(_: Run, entry: dict[str, float], before: int = before) -> None:
            tell(run, {**entry, "epoch": before + entry["epoch"]} if "epoch" in entry else entry)

        [result] = engine([Run(current, seed)], network, prune, data, recipe, setting.trainer, told)
        if isinstance(result, Exception):
            raise result
        network = result.network
        gone = {name: (*gone.get(name, ()), *filters) for name, filters in removed.items()}
        rounds.append(_entry(result, setting))
        seconds.append(result.seconds)
        found = columns(result, dense, setting)
        history += [{**entry, "epoch": before + entry["epoch"]} for entry in result.history]
        if result.diverged:
            break
    return {
        **found,
        "best_epoch": before + found["best_epoch"],
        "history": history,
        "rounds": rounds,
        **{f"duration_{part}": sum(each[part] for each in seconds) for part in seconds[0]},
    }


def _entry(result: Retraining, setting: Setting) -> dict[str, float]:
    """What a round leaves in the record."""
    parameters, macs = parameters_and_macs(result.network, setting.network.input_shape)
    return {
        "epochs": len(result.history),
        "params": parameters,
        "macs": macs,
        **result.pruned_train.columns("pruned_train"),
        **result.pruned_test.columns("pruned_test"),
        **result.final_train.columns("retrained_train"),
        **result.final_test.columns("retrained_test"),
    }
