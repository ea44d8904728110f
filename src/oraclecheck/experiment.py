"""One command, top to bottom.

config -> data -> dense network -> combination -> pruned network -> pruned train loss -> retraining -> final metrics
-> record
"""

import json
import math
import platform
import sys
import traceback
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache, partial
from importlib.metadata import packages_distributions, version
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import torch
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf
from torch import nn

from oraclecheck import __version__
from oraclecheck.command.interpret import interpret
from oraclecheck.command.overrides import overrides_of_job
from oraclecheck.data import loading
from oraclecheck.data.images import ImageData
from oraclecheck.data.sources import Digits
from oraclecheck.engines.evaluation import Evaluation, evaluate, first_loss
from oraclecheck.engines.retraining import Retraining, retrain
from oraclecheck.engines.trainer import device_of
from oraclecheck.files import write_json
from oraclecheck.networks.size import parameters_and_macs
from oraclecheck.pipelines.dense import Checkpoint
from oraclecheck.records.record import Record
from oraclecheck.records.store import claimed, is_done, record_path, write_record
from oraclecheck.records.unfinished import keep_choice
from oraclecheck.records.wandb.mirror import WandbMirror
from oraclecheck.study.folder import open_folder
from oraclecheck.study.identity import Study
from oraclecheck.study.setting import Setting

PACKAGES = ("torch", "torchvision", "lightning", "torch-pruning", "hydra-core", "numpy", "pillow", "wandb")
"""What every run is computed with."""

packages_of_modules = cache(packages_distributions)  # looks at every file of every package


@dataclass(frozen=True)
class Dense:
    """The dense network of a study, measured.

    Attributes:
        network: On the CPU, in the memory layout of the study.
        columns: Its columns of the record.
    """

    network: nn.Module
    columns: dict[str, Any]


def run(cfg: DictConfig) -> None:
    """Run every combination and repeat of a command that has no record yet."""
    setting = interpret(cfg)
    torch.set_num_threads(setting.trainer.threads)
    data = partial(load_data, setting)
    checkpoint = setting.dense(data)
    if setting.stage == "pretrain":
        measure_dense(setting, checkpoint, data)
        return
    study = setting.study(checkpoint.hash)
    folder = setting.out / study.name
    config = OmegaConf.to_container(cfg, resolve=True, enum_to_str=True)
    open_folder(folder, study, config, overrides_of_job(), setting.train_eval_indices)  # type: ignore[arg-type]
    missing = [run for run in setting.runs if not is_done(record_path(folder, *run), study.hash)]
    if not missing:
        return
    dense, images = measure_dense(setting, checkpoint, data), data()  # without which no run can be done
    for combination, repeat in missing:
        path = record_path(folder, combination, repeat)
        with _others_go_on(combination, repeat), claimed(path, study.hash) as mine:
            if mine:
                prune_and_retrain(setting, study, dense, images, combination, repeat, path)


@contextmanager
def _others_go_on(combination: int | str, repeat: int) -> Iterator[None]:
    """Say what kept a run from leaving a record, such as a full disk or a lock, and let the next one begin."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split()) or "no reason given"
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        print(
            f"oraclecheck: combination {combination}, repeat {repeat} has left no record: {kind}{reason}",
            file=sys.stderr,
            flush=True,
        )


def prune_and_retrain(
    setting: Setting,
    study: Study,
    dense: Dense,
    data: ImageData,
    combination: int | str,
    repeat: int,
    path: Path,
) -> None:
    """One run; whatever happens once its filters are known, it leaves its record.

    Args:
        setting: The command's setting.
        study: The study it belongs to.
        dense: The dense network.
        data: On the device of the setting.
        combination: Index of the combination, or the criterion that picks it.
        repeat: Which retraining of it.
        path: Where the record goes, before W&B hears of it.
    """
    provenance = _provenance(setting)
    removed = setting.removed(combination, dense.network)
    if isinstance(combination, str):
        keep_choice(setting.out / study.name, combination, removed)
    identity = study.run(combination, removed, repeat)
    run_id = f"{study.hash[:8]}-{combination}-{repeat}"
    mirror = WandbMirror(setting.wandb, identity, setting.out / study.name, run_id)
    try:
        prune = partial(setting.prune, removed=removed)
        result = retrain(dense.network, prune, data, setting.retrain, identity["seed"], setting.trainer, mirror.log)
        outcome = {**_outcome(result), **_size("pruned", result.network, setting)}
        record = Record(**identity, **outcome, **dense.columns, **provenance)
    except Exception:
        record = Record(**identity, status="failed", error=traceback.format_exc(), **provenance)
    try:
        write_record(path, record)
    finally:
        mirror.finish(record)


def load_data(setting: Setting) -> ImageData:
    """The data of a setting, on its device; a process reads it once, however many jobs it runs."""
    data = _load_once(setting.source, setting.cache, setting.preparation, device_of(setting.trainer))
    setting.check_batches(len(data.train))
    return data


_load_once = lru_cache(maxsize=2)(loading.load)


def measure_dense(setting: Setting, checkpoint: Checkpoint, data: Callable[[], ImageData]) -> Dense:
    """The dense network with its metrics, which are measured once and kept beside the checkpoints.

    Raises:
        ValueError: If the network in this process is not the one that was trained, or that another process measured,
            or its pruning is not exact.
    """
    if setting.scheme == "heads" and setting.stage != "pretrain":
        setting.prove(checkpoint)
    network = setting.make_network()
    network.load_state_dict(checkpoint.state)
    if setting.channels_last:
        network = network.to(memory_format=torch.channels_last)
    images = data()
    network = network.to(images.test.device)
    loss = first_loss(network, images.test)
    path = setting.evaluation_path(checkpoint.hash)
    try:
        kept = json.loads(path.read_bytes())
        metrics, known_loss = kept["metrics"], kept["first_loss"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        metrics = {
            **_metrics("dense_train", evaluate(network, images.measured_train)),
            **_metrics("dense_test", evaluate(network, images.test)),
        }
        _check_is_trained_network(setting, checkpoint, metrics)
        with suppress(OSError):  # it would only save the next process the trouble
            write_json(path, {"metrics": metrics, "first_loss": loss})
    else:
        _check_is_trained_network(setting, checkpoint, metrics)
        _check_same(setting, "loss on the first test images", loss, known_loss, "another process measured")
    network = network.cpu()
    return Dense(network, {**metrics, **_size("dense", network, setting)})


SAME = 1e-5  # relative; between devices the float32 sums of a network differ by less


def _check_is_trained_network(setting: Setting, checkpoint: Checkpoint, metrics: dict[str, float]) -> None:
    """Compare the loaded network with the last epoch of its training, where that was measured on this test set."""
    if checkpoint.history and checkpoint.test_set == setting.test_set:
        for metric in ("loss", "accuracy"):
            trained = checkpoint.history[-1][f"test_{metric}"]
            _check_same(setting, f"test {metric}", metrics[f"dense_test_{metric}"], trained, "its training ended with")


def _check_same(setting: Setting, what: str, found: float, expected: float, whence: str) -> None:
    if not math.isclose(found, expected, rel_tol=SAME, abs_tol=1e-9):
        raise ValueError(
            f"model.network must keep its whole state in its state dict; the dense {setting.model} of "
            f"{setting.dense_path} has {what} {found:.6g} where {whence} {expected:.6g}: register its tensors as "
            "parameters or persistent buffers, for others are made anew in every process"
        )


def _outcome(result: Retraining) -> dict[str, Any]:
    """The columns that say what came of a run."""
    history, final = result.history, result.final_test
    accuracies = [entry["test_accuracy"] for entry in history]
    best = max(range(len(history)), key=accuracies.__getitem__)
    at_end = best == len(history) - 1
    return {
        "status": "diverged" if result.diverged else "ok",
        **_metrics("pruned_train", result.pruned_train),
        **_metrics("pruned_test", result.pruned_test),
        **_metrics("final_train", result.final_train),
        **_metrics("final_test", final),
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


def _metrics(prefix: str, evaluation: Evaluation) -> dict[str, float]:
    return {f"{prefix}_loss": evaluation.loss, f"{prefix}_accuracy": evaluation.accuracy}


def _last5(metric: str, values: list[float]) -> dict[str, float | None]:
    # stdev of infinite losses raises; a diverged run's spread means nothing
    spread = stdev(values) if len(values) > 1 and np.isfinite(values).all() else None
    return {f"last5_{metric}_mean": fmean(values), f"last5_{metric}_std": spread}


def _size(prefix: str, network: nn.Module, setting: Setting) -> dict[str, int]:
    parameters, macs = parameters_and_macs(network, setting.input_shape)
    return {f"{prefix}_params": parameters, f"{prefix}_macs": macs}


def _provenance(setting: Setting) -> dict[str, Any]:
    """The columns that say what computed a run."""
    device = device_of(setting.trainer)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type} {platform.machine()}"
    versions = {"oraclecheck": __version__, **{package: version(package) for package in _packages(setting)}}
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    return {"versions": versions, "device": name, "threads": setting.trainer.threads, "started_at": started_at}


def _packages(setting: Setting) -> list[str]:
    """The packages that decide what a run computes, with those that the user's network and data come from."""
    classes = [get_object(setting.network["_target_"]), type(getattr(setting.source, "module", setting.source))]
    modules = [owner.__module__.partition(".")[0] for owner in classes]
    modules += ["sklearn"] if isinstance(setting.source, Digits) else []
    named = [name for module in modules for name in packages_of_modules().get(module, [])]
    return [name for name in dict.fromkeys([*PACKAGES, *named]) if name != "oraclecheck"]
