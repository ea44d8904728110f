"""The one-shot pipeline: prune once, retrain, measure; what came of it as the columns of a record."""

from base64 import b64encode
from collections.abc import Iterable, Iterator
from statistics import fmean, stdev
from typing import Any

import numpy as np
import torch
from torch import nn

from oraclecheck.criteria.magnitude import l1
from oraclecheck.criteria.pick import least
from oraclecheck.data.images import ImageData
from oraclecheck.engines.engine import Engine, Prune, Retraining, Run, Tell
from oraclecheck.networks.shadow import parameters_and_macs
from oraclecheck.pipelines.dense import Dense
from oraclecheck.pipelines.masks import masks_of
from oraclecheck.pruning.combination import Removed
from oraclecheck.pruning.masks.network import count_removed, mask
from oraclecheck.pruning.masks.space import MaskSpace
from oraclecheck.pruning.structured import as_released, prune
from oraclecheck.pruning.width import prune_width
from oraclecheck.study.setting import Setting


def one_shot(
    engine: Engine, runs: Iterable[Run], dense: Dense, data: ImageData, setting: Setting, tell: Tell
) -> Iterator[dict[str, Any] | Exception]:
    """For each run, in their order, the columns of its record that say what came of it, or the exception it raised.

    Args:
        engine: Carries the runs out.
        runs: What to do.
        dense: The dense network.
        data: On the device of the setting.
        setting: How networks are pruned and retrained.
        tell: See `Tell`.
    """
    recipe, trainer = setting.retrain.recipe, setting.trainer
    for result in engine(runs, dense.network, pruner(setting, dense.network), data, recipe, trainer, tell):
        yield result if isinstance(result, Exception) else columns(result, dense, setting)


def columns(result: Retraining, dense: Dense, setting: Setting) -> dict[str, Any]:
    """The columns of a record that say what came of a run: those of the networks and their sizes."""
    parameters, macs = parameters_and_macs(result.network, setting.network.input_shape)
    parameters -= count_removed(result.network)  # zeros are multiplied like any number: all MACs are left
    return {**outcome(result), "pruned_params": parameters, "pruned_macs": macs, **dense.columns}


def pruner(setting: Setting, dense: nn.Module) -> Prune:
    """How a setting prunes a dense network."""
    network, released = setting.network, behind(setting, dense)

    def pruned(dense: nn.Module, removed: Removed) -> nn.Module:
        space = setting.pruning.space
        if isinstance(space, MaskSpace):
            return mask(dense, masks_of(removed, space, dense))
        removed = {name: tuple(sorted(filters)) for name, filters in removed.items()}
        if setting.pruning.scheme == "width":
            smaller: nn.Module = prune_width(dense, removed)
        else:
            example = torch.zeros(1, *network.input_shape, device=next(dense.parameters()).device)
            if released is not None:
                dense, removed = as_released(dense, removed, released), released
            smaller = prune(dense, removed, example)
        # slicing loses the memory layout
        return smaller.to(memory_format=torch.channels_last) if network.channels_last else smaller

    return pruned


def behind(setting: Setting, dense: nn.Module) -> Removed | None:
    """What the layers behind lose where the released code wires them: the L1 norm's choice; None for correct wiring."""
    pruning = setting.pruning
    released = pruning.wiring == "released_code" and pruning.scheme == "heads"
    layers = pruning.layers
    return least(l1(dense, None, [layer.name for layer in layers]), layers) if released else None


def outcome(result: Retraining) -> dict[str, Any]:
    """The columns of a record that say what came of a run."""
    history, final = result.history, result.final_test
    accuracies = [entry["test_accuracy"] for entry in history]
    best = max(range(len(history)), key=accuracies.__getitem__)
    at_end = best == len(history) - 1
    return {
        "status": "diverged" if result.diverged else "ok",
        **result.pruned_train.columns("pruned_train"),
        **result.pruned_test.columns("pruned_test"),
        **result.final_train.columns("final_train"),
        **final.columns("final_test"),
        "best_train_loss": result.final_train.loss if at_end else None,
        "best_train_accuracy": result.final_train.accuracy if at_end else None,
        "best_test_loss": history[best]["test_loss"],
        "best_test_accuracy": accuracies[best],
        "best_epoch": best,
        **_last5("test_accuracy", accuracies[-5:]),
        **_last5("test_loss", [entry["test_loss"] for entry in history[-5:]]),
        "history": history,
        "final_test_correct": b64encode(np.packbits(final.correct.numpy()).tobytes()).decode(),
        **{f"duration_{part}": seconds for part, seconds in result.seconds.items()},
    }


def _last5(metric: str, values: list[float]) -> dict[str, float | None]:
    # stdev of infinite losses raises; a diverged run's spread means nothing
    spread = stdev(values) if len(values) > 1 and np.isfinite(values).all() else None
    return {f"last5_{metric}_mean": fmean(values), f"last5_{metric}_std": spread}
