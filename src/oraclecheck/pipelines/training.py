"""How the dense network is trained: once, by one of many processes, and on from where one was killed."""

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from oraclecheck.data.images import ImageData
from oraclecheck.engines.recipe import Recipe
from oraclecheck.engines.trainer import TrainerSettings, fit
from oraclecheck.leases import Lease
from oraclecheck.pipelines.checkpoint import Checkpoint, save_checkpoint
from oraclecheck.seeds import derive_seed

PROGRESS_SECONDS = 5.0


def train_once(
    path: Path, train: Callable[[], Checkpoint], about: Mapping[str, Any], training: Path | None = None
) -> bool:
    """Train the network at `path` if it is not there and nobody else does; gives whether it is there now.

    It is created once and never replaced: where a process that trains it was cut off from the folder, the network of
    the first to be done is everybody's.

    Args:
        path: Where it is kept; its name identifies the recipe.
        train: Trains it; called only if it is not there.
        about: What else its file says.
        training: Path of the network of the last epoch: the networks of a training are of one process. None: `path`.

    Raises:
        ValueError: If training diverges or the file cannot be written.
    """
    if path.is_file():
        return True
    if path.absolute() in _failures:  # the other studies of a sweep need not try again
        raise _failures[path.absolute()]
    path.parent.mkdir(parents=True, exist_ok=True)
    lease = _lease(training or path)
    if not lease.take():
        return False
    try:
        trained = None if path.is_file() else train()
        if trained and not path.is_file():
            save_checkpoint(path, trained, about)
    except Exception as error:
        _failures[path.absolute()] = error
        raise
    finally:
        lease.release()
    return True


@lru_cache  # to see that a holder on another machine is dead takes more than one look
def _lease(dense: Path) -> Lease:
    return Lease(dense.with_name(f".{dense.name}.claim"))


_failures: dict[Path, Exception] = {}
"""Dense networks whose training failed in this process."""


def train(
    network: nn.Module,
    data: ImageData,
    recipe: Recipe,
    seed: int,
    trainer: TrainerSettings,
    model: str,
    test_set: str,
    epochs: Sequence[int],
    keep: Callable[[int, Checkpoint], None],
    state: Path | None = None,
    kept: Callable[[int], bool] = lambda epoch: True,
) -> None:
    """Train a network to be the dense one.

    Args:
        network: Initialised; trained in place.
        data: On the device of `trainer`.
        recipe: The pre-training recipe, already scaled.
        seed: `pretrain.seed`.
        trainer: Device, precision, threads.
        model: The network's name, for messages.
        test_set: Hash of what decides the metrics of its history.
        epochs: Numbers of epochs after which the network is kept; training ends after the last of them.
        keep: Is given each of these numbers and the network as it is then.
        state: Where the state of the training is kept meanwhile: one that was killed goes on from there.
        kept: Whether the network of one of these epochs is there, for a training that goes on beyond it.

    Raises:
        ValueError: If training diverges.
    """
    from oraclecheck.engines.callbacks import History, Keeping  # they bring Lightning, which takes seconds
    from oraclecheck.engines.resuming import Resuming, forget, resumable

    history = History(data, _progress(model, epochs[-1]))
    done = resumable(state) if state else 0
    if not all(kept(epoch) for epoch in epochs if epoch <= done):
        done = 0
    if done:
        print(f"dense {model}: goes on after epoch {done} of {epochs[-1]}", file=sys.stderr, flush=True)

    def hand_over(epoch: int, network: dict[str, Tensor]) -> None:
        tensors = {name: tensor.contiguous() for name, tensor in network.items()}
        keep(epoch, Checkpoint(tensors, list(history.epochs), test_set))
        if state and epoch == epochs[-1]:
            forget(state)  # at once: what is still to be measured may take long

    if data.train.channels_last:
        network = network.to(memory_format=torch.channels_last)
    callbacks = [history, Keeping(epochs, hand_over), *([Resuming(state, history)] if state else [])]
    order = derive_seed(seed, "pretrain", "order")
    try:
        fit(network, data.train, recipe, order, trainer, callbacks, state if done else None)
    except Exception:
        if done and state:
            forget(state)  # if it is to blame, the next attempt does without it
        raise
    if history.diverged:
        raise ValueError(
            f"pretrain.lr must let the dense {model} learn; with {recipe.schedule} its loss became NaN or infinite "
            f"in epoch {len(history.epochs) - 1}"
        )


def _progress(model: str, epochs: int) -> Callable[[dict[str, float]], None]:
    """A line every few seconds on stderr, for whoever waits."""
    last = -math.inf

    def show(entry: dict[str, float]) -> None:
        nonlocal last
        done = int(entry["epoch"]) + 1
        if time.monotonic() - last >= PROGRESS_SECONDS or done == epochs:
            last = time.monotonic()
            accuracy = f"test accuracy {entry['test_accuracy']:.4f}"
            print(f"dense {model}: epoch {done} of {epochs}, {accuracy}", file=sys.stderr, flush=True)

    return show
