"""The setting of a command: its configuration as plain, checked values."""

import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from hydra.utils import instantiate
from torch import nn

from oraclecheck.criteria.registry import pick
from oraclecheck.data import loading
from oraclecheck.data.images import ImageData
from oraclecheck.data.loading import Preparation
from oraclecheck.data.module import ModuleSource
from oraclecheck.data.sources import Source
from oraclecheck.engines import evaluation
from oraclecheck.engines.recipe import Recipe
from oraclecheck.engines.trainer import TrainerSettings, device_of
from oraclecheck.files import digest, write_json
from oraclecheck.networks.imagenet import fetch_weights, weights_file
from oraclecheck.networks.shadow import describe, identity, shadow_network, shadow_of
from oraclecheck.networks.vit import SelfAttention
from oraclecheck.pipelines.dense import Checkpoint, load_checkpoint, train_once
from oraclecheck.pruning import proof
from oraclecheck.pruning.combination import Removed
from oraclecheck.pruning.probe import double_precision
from oraclecheck.pruning.space import CombinationSpace
from oraclecheck.pruning.specimen import specimen
from oraclecheck.pruning.structured import prune, prune_as_released
from oraclecheck.pruning.width import prune_width
from oraclecheck.records.store import record_path
from oraclecheck.records.wandb.mirror import WandbSettings, usable_mode
from oraclecheck.study.folder import check_folder
from oraclecheck.study.identity import Study
from oraclecheck.waiting import waiting

_proven: set[str] = set()
"""Definitions of what was proven in this process."""


@dataclass(frozen=True)
class Setting:
    """What one composed configuration asks for.

    Attributes:
        stage: "run", or "pretrain" for the dense network alone.
        label: First part of the study folder's name.
        model: Name of the network.
        network: Hydra's description of it: `_target_` and arguments.
        input_shape: Shape of one image.
        channels_last: Whether networks and images use that memory layout.
        data: Name of the data set.
        source: Where its images come from.
        preparation: How they become batches.
        classes: Number of its classes.
        ratio: Prunable layer -> pruning ratio.
        space: The combinations there are.
        scheme: "heads" for prunable layers that lose filters, units or heads each for itself; "width": see width.py.
        wiring: "correct" or "released_code".
        combinations: The indices, and names of criteria, that this command runs.
        repeats: The repeats of each that it runs.
        seed: Base of the retraining seeds.
        pretrain: Recipe of the dense network, already scaled.
        pretrain_seed: Its seed.
        checkpoint: A checkpoint to load instead.
        weights: Torchvision's weights to load unless there is a checkpoint.
        retrain: Retraining recipe, already scaled.
        fraction: What the retraining recipe was scaled by.
        trainer: Device, precision, threads.
        wandb: Where W&B runs go; None for nowhere.
        out: Folder of all studies.
        cache: Folder of data tensors.
    """

    stage: str
    label: str
    model: str
    network: dict[str, Any]
    input_shape: tuple[int, ...]
    channels_last: bool
    data: str
    source: Source | ModuleSource
    preparation: Preparation
    classes: int
    ratio: dict[str, float]
    space: CombinationSpace
    scheme: str
    wiring: str
    combinations: list[int | str]
    repeats: list[int]
    seed: int
    pretrain: Recipe
    pretrain_seed: int
    checkpoint: Path | None
    weights: str | None
    retrain: Recipe
    fraction: float
    trainer: TrainerSettings
    wandb: WandbSettings | None
    out: Path
    cache: Path

    @property
    def runs(self) -> list[tuple[int | str, int]]:
        """The (combination, repeat) pairs this command runs, repeats innermost."""
        return [(combination, repeat) for combination in self.combinations for repeat in self.repeats]

    def make_network(self) -> nn.Module:
        """The untrained network, initialised from torch's global generator."""
        return instantiate(self.network)

    def removed(self, combination: int | str, dense: nn.Module) -> Removed:
        """The filters that a combination removes from the dense network."""
        if isinstance(combination, str):
            return pick(combination, dense, self.space.layers)
        return self.space.unrank(combination)

    def prune(self, dense: nn.Module, removed: Removed) -> nn.Module:
        """The pruned network, wired as configured."""
        example = torch.zeros(1, *self.input_shape, device=next(dense.parameters()).device)
        if self.scheme == "width":
            pruned: nn.Module = prune_width(dense, removed)
        elif self.wiring == "released_code":
            pruned = prune_as_released(dense, removed, self._behind(dense), example)
        else:
            pruned = prune(dense, removed, example)
        if self.channels_last:  # which slicing loses
            pruned = pruned.to(memory_format=torch.channels_last)
        return pruned

    def _behind(self, dense: nn.Module) -> Removed:
        """The filters whose inputs the layers behind lose in the released code."""
        return pick("l1", dense, self.space.layers)

    def check(self) -> None:
        """Find out now what would stop the command later.

        Raises:
            ValueError: If the data is missing, the output cannot be written, a combination is outside the space or
                its index too long, a layer cannot be pruned alone, the checkpoint is another architecture's, or the
                study's folder is other settings'.
        """
        indices = [combination for combination in self.combinations if isinstance(combination, int)]
        if indices:  # one is enough, and to unrank a thousand of VGG19's takes a second
            self.space.unrank(next((index for index in indices if index >= self.space.size), indices[0]))
            record_path(self.out, max(indices), 0)
        picked = next((combination for combination in self.combinations if isinstance(combination, str)), None)
        if picked and self.scheme == "width":
            raise ValueError(f"combo must be an index or a set where pruning.scheme is width; got {picked}")
        device_of(self.trainer)
        _check_writable("paths.out", self.out)
        if isinstance(self.source, ModuleSource):  # looks at its data, which it prepares under a lock there
            _check_writable("paths.cache", self.cache)
        self.source.check()
        if loading.writes(self.source, self.cache):
            _check_writable("paths.cache", self.cache)
        if self.source.classes != self.classes:
            raise ValueError(
                f"data.classes must be the number of classes of {self.data}, {self.source.classes}; got {self.classes}"
            )
        _ = self.train_eval_indices  # are there as many images?
        shadow = shadow_network(self.network)
        if self.scheme == "heads":
            self.prove()
        if self.wiring == "released_code" and any(isinstance(module, SelfAttention) for module in shadow.modules()):
            raise ValueError(
                "pruning.wiring must be correct for transformers; got released_code: pruning.scheme=width makes the "
                "networks that the released code makes of them"
            )
        if self.loads and not self.dense_path.is_file():
            self.dense(_no_data)
        study = self.study_if_known()
        if study is not None:
            check_folder(self.out / study.name, study)
        if self.wandb:
            usable_mode(self.wandb.mode)  # if it has to be offline, say so once and not in every worker

    def prove(self, dense: Checkpoint | None = None) -> None:
        """Show that what this command prunes is pruned exactly; a proof is kept and not made twice.

        Args:
            dense: The dense network; none shows it for random weights, before there is one.

        Raises:
            ValueError: If it cannot be shown, or the network cannot be trained as it is.
        """
        definition = {
            "version": proof.VERSION,
            "versions": {package: version(package) for package in ("oraclecheck", "torch", "torch-pruning")},
            "network": identity(self.network),
            "input_shape": self.input_shape,
            "classes": self.classes,
            "layers": [(layer.name, layer.filters, layer.removed) for layer in self.space.layers],
            "wiring": self.wiring,
            "dense_hash": dense.hash if dense else None,
        }
        key = digest(definition)
        path = self.out / "dense" / f"proof-{key[:16]}.json"
        if key in _proven or path.is_file():
            return
        what = "proving the pruning of the dense network" if dense else "proving that these layers can be pruned"
        lock = FileLock(f"{path}.lock") if dense else nullcontext()  # the driver is alone; workers are many
        with lock, waiting(f"{what}, once"), double_precision(self.trainer.threads):
            if path.is_file():
                return
            start = time.perf_counter()
            if dense is None:
                network = specimen(self.make_network, self.input_shape, self.classes)
            else:
                network = self.make_network()
                network.load_state_dict(dense.state)
            behind = self._behind(network) if self.wiring == "released_code" else None
            partners = proof.prove(network, self.space.layers, self.input_shape, behind=behind)
            seconds = time.perf_counter() - start
            write_json(path, {"definition": definition, "partners": partners, "seconds": seconds})
        _proven.add(key)

    @property
    def loads(self) -> bool:
        """Whether the dense network is loaded, from a checkpoint or from torchvision's weights, and not trained."""
        return self.checkpoint is not None or self.weights is not None

    @property
    def _dense_key(self) -> str:
        """What messages call the file of the dense network."""
        if self.checkpoint:
            return "pretrain.checkpoint"
        return "pretrain.weights" if self.weights else "the dense network's checkpoint"

    def check_batches(self, images: int) -> None:
        """Refuse batch sizes that leave one image over, of which a BatchNorm cannot make a mean and a variance.

        Args:
            images: Number of training images.

        Raises:
            ValueError: If a training that this command needs would meet such a batch.
        """
        modules = shadow_network(self.network).modules()
        if not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in modules):
            return
        trains = not self.loads and not self.dense_path.is_file()
        for key, recipe in [("pretrain", self.pretrain)] * trains + [("retrain", self.retrain)]:
            if images % recipe.batch_size == 1:
                raise ValueError(
                    f"{key}.batch_size must not leave a batch of one image, which a BatchNorm cannot normalise; got "
                    f"{recipe.batch_size} for {images} training images"
                )

    @property
    def dense_path(self) -> Path:
        """Where the dense network of this recipe, the user's checkpoint or torchvision's weights are kept."""
        if self.checkpoint:
            return self.checkpoint
        if self.weights:
            return weights_file(self.weights, "pretrain.weights")
        recipe = {
            "network": identity(self.network),
            "data": self._data_identity(),
            "recipe": self.pretrain.identity(),
            "seed": self.pretrain_seed,
            "channels_last": self.channels_last,
            "precision": self.trainer.precision,
            "compile": self.trainer.compile,
            "threads": self.trainer.threads,
        }
        return self.out / "dense" / f"{self.model}-{self.data}-seed{self.pretrain_seed}-{digest(recipe)[:8]}.pt"

    def dense(self, data: Callable[[], ImageData]) -> Checkpoint:
        """The dense network's weights, trained if nobody has trained them yet.

        Args:
            data: Gives the data, on the device of training.
        """
        if self.loads:
            path = self.checkpoint or fetch_weights(str(self.weights), self._dense_key)
            return load_checkpoint(path, shadow_network(self.network), self._dense_key, self.model)
        return train_once(
            self.dense_path,
            self.make_network,
            data,
            self.pretrain,
            self.pretrain_seed,
            self.trainer,
            self.model,
            self.test_set,
        )

    @property
    def test_set(self) -> str:
        """Hash of what decides a network's metrics on the test set."""
        return digest([self._data_identity(), self.channels_last, evaluation.batch_size(self.input_shape)])

    def evaluation_path(self, dense_hash: str) -> Path:
        """Where the metrics of a dense network on this data are kept."""
        content = [identity(self.network), dense_hash, self._data_identity(), self.channels_last, self.trainer.threads]
        content.append(self._evaluation_identity())
        return self.out / "dense" / f"evaluation-{digest(content)[:16]}.json"

    def _data_identity(self) -> dict[str, Any]:
        preparation = self.preparation
        normalisation = {"mean": list(preparation.mean), "std": list(preparation.std)}
        augment = preparation.augmentation.identity()
        return {**loading.identity(self.source, self.cache), **normalisation, "augment": augment}

    @property
    def train_eval_indices(self) -> list[int] | None:
        """The training images that training-set metrics are measured on; None for all."""
        n = self.preparation.train_eval_images
        return None if n is None else loading.train_eval_indices(self.source, self.cache, n).tolist()

    def _evaluation_identity(self) -> dict[str, Any]:
        indices = self.train_eval_indices
        return {
            "augmented": self.preparation.augmented_train_eval,
            "batch_size": evaluation.batch_size(self.input_shape),
            "precision": "IEEE float32",
            "train_images": None if indices is None else len(indices),
            "indices": None if indices is None else digest(indices),
        }

    def study_if_known(self) -> Study | None:
        """The study this command adds to; None while its dense network is not trained."""
        path = self.dense_path
        if not path.is_file():
            return None
        return self.study(
            _dense_hash(path, path.stat().st_mtime_ns, self._dense_key, describe(self.network), self.model)
        )

    def study(self, dense_hash: str) -> Study:
        """The study this command adds to.

        Its identity leaves out combination, repeat, paths, logger, launcher, device and number of workers. All else is
        written out, defaults included, for a default may change.

        Args:
            dense_hash: Identity of the dense network.
        """
        space = self.space
        definition = {
            "model": self.model,
            "network": identity(self.network),
            "channels_last": self.channels_last,
            "data": self._data_identity(),
            "dense_hash": dense_hash,
            "layers": {layer.name: [layer.filters, layer.removed] for layer in space.layers},
            "pruning_ratio": self.ratio,
            "scheme": self.scheme,
            "wiring": self.wiring,
            "order": space.order,
            "order_seed": space.seed if space.order == "sampled" else None,
            "seed": self.seed,
            "retrain": self.retrain.identity(),
            "retrain_fraction": self.fraction,
            "evaluation": self._evaluation_identity(),
            "precision": self.trainer.precision,
            "compile": self.trainer.compile,
            "threads": self.trainer.threads,
        }
        return Study(self.label, definition, space, self.data, None if self.loads else self.pretrain_seed)


@lru_cache(maxsize=16)  # a driver asks many times, and ViT-B/16's file takes more than a second
def _dense_hash(path: Path, modified: int, key: str, description: str, model: str) -> str:
    """Identity of the dense network in a file as it was modified last."""
    return load_checkpoint(path, shadow_of(description), key, model).hash


def _no_data() -> ImageData:
    raise AssertionError("a dense network that is loaded needs no data")


def _check_writable(key: str, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ValueError(f"{key} must be a folder that can be written; got {folder}: {error.strerror}") from None
