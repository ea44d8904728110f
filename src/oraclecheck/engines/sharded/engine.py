"""The engine that retrains one language model after the other, each sharded over several devices (FSDP).

The process that claims runs and writes records is none of the ranks: it prunes the whole network, on the CPU, hands it
to them, and gets the whole network back. So masks are those of the whole network, a record is written once, and a rank
that dies leaves a record that says so.
"""

import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from oraclecheck.data.images import ImageData
from oraclecheck.engines import lightning
from oraclecheck.engines.engine import Prune, Retraining, Run, Tell
from oraclecheck.engines.recipe import Recipe
from oraclecheck.engines.sharded.ranks import Say, rank_and_ranks, run_ranks
from oraclecheck.engines.sharded.shards import whole_state
from oraclecheck.engines.trainer import TrainerSettings, check_accelerator, device_of, on_cpu
from oraclecheck.networks.shadow import fill, make_shadow, tensors_of
from oraclecheck.pruning.combination import Removed

PRUNED, RETRAINED = "pruned.pt", "retrained.pt"
"""What goes to the ranks and what comes back: files, which they map into memory together."""


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
        result: Retraining | Exception
        try:
            result = _retrain(run, prune(dense, run.removed), data, recipe, trainer, tell)
        except Exception as error:
            result = error
        yield result


def _retrain(
    run: Run, network: Any, data: ImageData, recipe: Recipe, trainer: TrainerSettings, tell: Tell | None
) -> Retraining:
    start = time.perf_counter()
    check_accelerator(trainer)
    torch.cuda.empty_cache()  # what the dense network was measured in
    with tempfile.TemporaryDirectory(prefix="oraclecheck-") as name:
        folder = Path(name)
        made_by = type(network), network.arguments
        torch.save((made_by, tensors_of(network), run, data, recipe, trainer), folder / PRUNED)
        hear = partial(tell, run) if tell else lambda entry: None
        run_ranks(trainer.devices, not on_cpu(trainer), _retrain_shard, folder, hear)
        # what is loaded is what this process has just had written
        result, state = torch.load(folder / RETRAINED, map_location="cpu", mmap=True, weights_only=False)
        network.load_state_dict(state)
    seconds = {**result.seconds, "total": time.perf_counter() - start}
    return replace(result, network=network, seconds=seconds)


def _retrain_shard(folder: Path, say: Say) -> None:
    """What each rank does."""
    loaded = torch.load(folder / PRUNED, map_location="cpu", mmap=True, weights_only=False)
    (kind, arguments), tensors, run, data, recipe, trainer = loaded
    network = fill(make_shadow(lambda: kind(*arguments)), tensors)
    device, first = device_of(trainer), rank_and_ranks()[0] == 0
    train_eval = data.train_eval and data.train_eval.to(device)
    data = ImageData(data.train.to(device), data.test.to(device), train_eval)

    def tell(run: Run, entry: dict[str, float]) -> None:
        if first:
            say(entry)

    (result,) = lightning.retrain([run], network, _as_it_is, data, recipe, trainer, tell)
    if isinstance(result, Exception):
        raise result
    state = whole_state(result.network)
    if first:
        torch.save((replace(result, network=nn.Module()), state), folder / RETRAINED)


def _as_it_is(network: nn.Module, removed: Removed) -> nn.Module:
    """It came pruned."""
    return network
