"""The dense network: trained once by its recipe and kept, or loaded from a checkpoint; then measured."""

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from oraclecheck.data import loading
from oraclecheck.data.images import ImageData
from oraclecheck.engines.evaluation import evaluate, first_loss
from oraclecheck.engines.trainer import device_of
from oraclecheck.files import digest, remove_remains, write_json
from oraclecheck.multimodal.hub import weights_of
from oraclecheck.networks.imagenet import fetch_weights, weights_file
from oraclecheck.networks.shadow import build, identity, parameters_and_macs, shadow_network
from oraclecheck.pipelines.checkpoint import Checkpoint, load_checkpoint, load_model, save_checkpoint
from oraclecheck.pipelines.training import train, train_once
from oraclecheck.seeds import derive_seed
from oraclecheck.study.definition import data_identity, evaluation_identity, study_of, test_set_hash
from oraclecheck.study.identity import Study
from oraclecheck.study.setting import Setting

SAME = 1e-5  # relative; between devices the float32 sums of a network differ by less


@dataclass(frozen=True)
class Dense:
    """The dense network of a study, measured."""

    network: nn.Module  # on the CPU, in the memory layout of the study
    columns: dict[str, Any]  # of the record


def dense_path(setting: Setting) -> Path:
    """Where the dense network of this recipe, the user's checkpoint or torchvision's weights are kept.

    The network that a pipeline takes in mid-training lies beside that of the last epoch.
    """
    return path_after(setting, setting.pipeline.epoch or setting.pretrain.recipe.epochs)


def path_after(setting: Setting, epochs: int) -> Path:
    """Where the network is kept that was trained for so many epochs of its recipe."""
    whole = training_path(setting)
    return whole if epochs == setting.pretrain.recipe.epochs else whole.with_name(f"{whole.stem}-epoch{epochs}.pt")


def training_path(setting: Setting) -> Path:
    """Where the network of the last epoch of a training is kept; whoever trains holds the lease of this path."""
    pretrain, network, trainer = setting.pretrain, setting.network, setting.trainer
    if pretrain.checkpoint:
        return weights_of(pretrain.checkpoint) if pretrain.checkpoint.is_dir() else pretrain.checkpoint
    if pretrain.weights:
        return weights_file(pretrain.weights, "pretrain.weights")
    recipe = {
        "network": identity(network.description),
        "data": data_identity(setting),
        "recipe": pretrain.recipe.described,
        "seed": pretrain.seed,
        "channels_last": network.channels_last,
        "precision": trainer.precision,
        "compile": trainer.compile,
        "threads": trainer.threads,
    }
    name = f"{network.name}-{setting.data.name}-seed{pretrain.seed}-{digest(recipe)[:8]}.pt"
    return setting.paths.out / "dense" / name


def dense_checkpoint(setting: Setting) -> Checkpoint | None:
    """The dense network's weights, trained if nobody has trained them yet; None while another process trains them.

    Raises:
        ValueError: If it cannot be loaded or trained, or the file is another architecture's.
    """
    pretrain, path, model = setting.pretrain, dense_path(setting), setting.network.name
    if not pretrain.loads:
        about = {"model": model, "recipe": pretrain.recipe.described, "seed": pretrain.seed}
        if not train_once(path, lambda: _train(setting, about), about, training_path(setting)):
            return None
    elif not pretrain.checkpoint:
        fetch_weights(str(pretrain.weights), "pretrain.weights")
    return _load(setting)


def study_if_known(setting: Setting) -> Study | None:
    """The study that a setting is with its dense network; None while that is not trained."""
    path = dense_path(setting)
    if not path.is_file():
        return None
    state = (path.stat().st_mtime_ns, setting.network.description)
    if path not in _hashes or _hashes[path][0] != state:  # ViT-B/16's file takes more than a second
        _hashes[path] = state, _load(setting).hash
    return study_of(setting, _hashes[path][1])


_hashes: dict[Path, tuple[tuple[int, dict[str, Any]], str]] = {}
"""Identities of the dense networks in files, as the files were modified last."""


def _load(setting: Setting) -> Checkpoint:
    loaded = "pretrain.checkpoint" if setting.pretrain.checkpoint else "pretrain.weights"
    key = loaded if setting.pretrain.loads else "the dense network's checkpoint"
    network = setting.network
    if setting.pretrain.checkpoint and setting.pretrain.checkpoint.is_dir():
        return load_model(setting.pretrain.checkpoint, shadow_network(network.description), network.name)
    return load_checkpoint(dense_path(setting), shadow_network(network.description), key, network.name)


def _train(setting: Setting, about: Mapping[str, Any]) -> Checkpoint:
    """Train the dense network as far as it is asked for; networks of earlier epochs are put in their places."""
    data, recipe, seed = load_data(setting), setting.pretrain.recipe, setting.pretrain.seed
    torch.manual_seed(derive_seed(seed, "pretrain", "initialisation"))
    network = build(setting.network.description)

    def keep(epoch: int, checkpoint: Checkpoint) -> None:
        save_checkpoint(path_after(setting, epoch), checkpoint, about)

    def kept(epoch: int) -> bool:
        return path_after(setting, epoch).is_file()

    name, test_set, path = setting.network.name, test_set_hash(setting), training_path(setting)
    state = path.with_name(f".{path.name}.training")
    train(network, data, recipe, seed, setting.trainer, name, test_set, epochs_to_keep(setting), keep, state, kept)
    return _load(setting)


def epochs_to_keep(setting: Setting) -> list[int]:
    """Numbers of epochs after which a training keeps its network; it ends with the last of them."""
    last = setting.pretrain.recipe.epochs
    return sorted({setting.pipeline.epoch or last, *(epoch for epoch in setting.pretrain.keep if epoch <= last)})


def load_data(setting: Setting) -> ImageData:
    """The data of a setting, on its device; a process reads it once, however many jobs it runs.

    Raises:
        ValueError: If a batch size of a training that is to come leaves one image over, of which a BatchNorm cannot
            make a mean and a variance.
    """
    device = device_of(setting.trainer)
    data = _load_once(setting.data.source, setting.paths.cache, setting.data.preparation, device)
    modules = shadow_network(setting.network.description).modules()
    if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in modules):
        trains = not setting.pretrain.loads and not dense_path(setting).is_file()
        for key, recipe in [("pretrain", setting.pretrain.recipe)] * trains + [("retrain", setting.retrain.recipe)]:
            if len(data.train) % recipe.batch_size == 1:
                raise ValueError(
                    f"{key}.batch_size must not leave a batch of one image, which a BatchNorm cannot normalise; got "
                    f"{recipe.batch_size} for {len(data.train)} training images"
                )
    return data


_load_once = lru_cache(maxsize=2)(loading.load)


def dense_network(setting: Setting, checkpoint: Checkpoint) -> nn.Module:
    """The dense network, on the CPU, in the memory layout of the study."""
    network = build(setting.network.description)
    network.load_state_dict(checkpoint.state)
    return network.to(memory_format=torch.channels_last) if setting.network.channels_last else network


def measure_dense(setting: Setting, checkpoint: Checkpoint, data: ImageData) -> Dense:
    """The dense network with its metrics, which are measured once and kept beside the checkpoints.

    Raises:
        ValueError: If the network in this process is not the one that was trained, or that another process measured.
    """
    network = dense_network(setting, checkpoint).to(data.test.device)
    loss = first_loss(network, data.test)
    said = setting.network
    measured = [identity(said.description), checkpoint.hash, data_identity(setting), said.channels_last]
    key = digest([*measured, setting.trainer.threads, evaluation_identity(setting)])
    path = setting.paths.out / "dense" / f"evaluation-{key[:16]}.json"
    try:
        kept = json.loads(path.read_bytes())
        metrics, known_loss = kept["metrics"], kept["first_loss"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        known_loss = None
        metrics = {
            **evaluate(network, data.measured_train).columns("dense_train"),
            **evaluate(network, data.test).columns("dense_test"),
        }
    if checkpoint.history and checkpoint.test_set == test_set_hash(setting):
        for metric in ("loss", "accuracy"):
            trained = checkpoint.history[-1][f"test_{metric}"]
            _check_same(setting, f"test {metric}", metrics[f"dense_test_{metric}"], trained, "its training ended with")
    if known_loss is None:
        with suppress(OSError):  # it would only save the next process the trouble
            write_json(path, {"metrics": metrics, "first_loss": loss})
            remove_remains(path)
    else:
        _check_same(setting, "loss on the first test images", loss, known_loss, "another process measured")
    network = network.cpu()
    parameters, macs = parameters_and_macs(network, setting.network.input_shape)
    return Dense(network, {**metrics, "dense_params": parameters, "dense_macs": macs})


def _check_same(setting: Setting, what: str, found: float, expected: float, whence: str) -> None:
    if not math.isclose(found, expected, rel_tol=SAME, abs_tol=1e-9):
        raise ValueError(
            f"model.network must keep its whole state in its state dict; the dense {setting.network.name} of "
            f"{dense_path(setting)} has {what} {found:.6g} where {whence} {expected:.6g}: register its tensors as "
            "parameters or persistent buffers, for others are made anew in every process"
        )
