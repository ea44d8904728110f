"""A setting: everything that is fixed while combinations, repeats and dense networks vary, as plain, checked values."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oraclecheck.data.loading import Preparation
from oraclecheck.data.module import ModuleSource
from oraclecheck.data.sources import Source
from oraclecheck.engines.recipe import Recipe
from oraclecheck.engines.trainer import TrainerSettings
from oraclecheck.pruning.space import CombinationSpace


@dataclass(frozen=True)
class NetworkSetting:
    """The network.

    Attributes:
        name: What it is called.
        description: Hydra's description of it: `_target_` and arguments.
        input_shape: Shape of one image.
        channels_last: Whether networks and images use that memory layout.
    """

    name: str
    description: dict[str, Any]
    input_shape: tuple[int, ...]
    channels_last: bool


@dataclass(frozen=True)
class DataSetting:
    """The data set.

    Attributes:
        name: What it is called.
        source: Where its images come from.
        preparation: How they become batches.
        classes: Number of its classes.
    """

    name: str
    source: Source | ModuleSource
    preparation: Preparation
    classes: int


@dataclass(frozen=True)
class PruningSetting:
    """What is removed.

    Attributes:
        ratio: Prunable layer -> pruning ratio.
        space: The combinations there are.
        scheme: "heads" for prunable layers that lose filters, units or heads each for itself; "width": see width.py.
        wiring: "correct" or "released_code".
    """

    ratio: dict[str, float]
    space: CombinationSpace
    scheme: str
    wiring: str


@dataclass(frozen=True)
class PretrainSetting:
    """Where the dense network comes from.

    Attributes:
        recipe: How it is trained, already scaled.
        seed: Seed of its training.
        checkpoint: A checkpoint to load instead.
        weights: Torchvision's weights to load unless there is a checkpoint.
    """

    recipe: Recipe
    seed: int
    checkpoint: Path | None
    weights: str | None

    @property
    def loads(self) -> bool:
        """Whether the dense network is loaded, from a checkpoint or from torchvision's weights, and not trained."""
        return self.checkpoint is not None or self.weights is not None


@dataclass(frozen=True)
class RetrainSetting:
    """How pruned networks are retrained.

    Attributes:
        recipe: The retraining recipe, already scaled.
        fraction: What it was scaled by.
        seed: Base of the retraining seeds.
    """

    recipe: Recipe
    fraction: float
    seed: int


@dataclass(frozen=True)
class Paths:
    """Where things are written; no part of what a study is.

    Attributes:
        out: Folder of all studies.
        cache: Folder of data tensors.
    """

    out: Path
    cache: Path


@dataclass(frozen=True)
class Setting:
    """What one composed configuration says, but for the runs that it asks for.

    Attributes:
        label: First part of the study folder's name.
    """

    label: str
    network: NetworkSetting
    data: DataSetting
    pruning: PruningSetting
    pretrain: PretrainSetting
    retrain: RetrainSetting
    trainer: TrainerSettings
    paths: Paths
