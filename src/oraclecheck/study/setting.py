"""A setting: everything that is fixed while combinations, repeats and dense networks vary, as plain, checked values."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oraclecheck.data.loading import Preparation
from oraclecheck.data.module import ModuleSource
from oraclecheck.data.sources import Source
from oraclecheck.engines.recipe import Recipe
from oraclecheck.engines.trainer import TrainerSettings
from oraclecheck.pruning.combination import LayerChoice
from oraclecheck.pruning.masks.space import Space
from oraclecheck.pruning.space import CombinationSpace


@dataclass(frozen=True)
class NetworkSetting:
    """The network."""

    name: str
    description: dict[str, Any]  # Hydra's: `_target_` and arguments
    input_shape: tuple[int, ...]  # of one image
    channels_last: bool  # whether networks and images use that memory layout


@dataclass(frozen=True)
class DataSetting:
    """The data set: where its images come from, and how they become batches."""

    name: str
    source: Source | ModuleSource
    preparation: Preparation
    classes: int


@dataclass(frozen=True)
class PruningSetting:
    """What is removed."""

    ratio: dict[str, float]  # prunable layer -> pruning ratio
    space: Space
    scheme: str  # "heads": layers lose filters, units or heads, each for itself; "width": see width.py; "unstructured"
    wiring: str  # "correct" or "released_code"

    @property
    def filters(self) -> CombinationSpace:
        """The combinations, where it is filters that go."""
        assert isinstance(self.space, CombinationSpace)
        return self.space

    @property
    def layers(self) -> tuple[LayerChoice, ...]:
        """The layers that lose filters; none where single weights go."""
        return self.space.layers if isinstance(self.space, CombinationSpace) else ()


@dataclass(frozen=True)
class PretrainSetting:
    """Where the dense network comes from."""

    recipe: Recipe  # already scaled
    seed: int
    checkpoint: Path | None  # to load instead
    weights: str | None  # torchvision's, to load unless there is a checkpoint
    keep: tuple[int, ...] = ()  # epochs after which the network is kept besides; no part of what a study is

    @property
    def loads(self) -> bool:
        """Whether the dense network is loaded, from a checkpoint or from torchvision's weights, and not trained."""
        return self.checkpoint is not None or self.weights is not None


@dataclass(frozen=True)
class RetrainSetting:
    """How pruned networks are retrained."""

    recipe: Recipe  # already scaled
    fraction: float  # what it was scaled by
    seed: int  # base of the retraining seeds


@dataclass(frozen=True)
class PipelineSetting:
    """What lies between the dense network and the final metrics."""

    name: str = "one_shot"  # or "iterative", "scratch", "during"
    epoch: int | None = None  # of "during": for how many epochs the dense network was trained when it is pruned
    rounds: tuple[Recipe, ...] = ()  # of "iterative": the recipe after each pruning; the last one is that of `retrain`
    counts: dict[str, tuple[int, ...]] = field(default_factory=dict)  # layer -> filters removed in each round
    told: str = ""  # what was computed, for whoever waits

    @property
    def described(self) -> dict[str, Any]:
        """What a study's definition says of it beside its name."""
        if self.rounds:
            counts = [{layer: counts[i] for layer, counts in self.counts.items()} for i in range(len(self.rounds))]
            rounds = zip(counts, self.rounds, strict=True)
            return {"rounds": [{"removed": removed, "retrain": recipe.described} for removed, recipe in rounds]}
        return {} if self.epoch is None else {"pipeline_epoch": self.epoch}


@dataclass(frozen=True)
class EngineSetting:
    """What retrains pruned networks."""

    name: str  # "lightning", "lanes" or "stacked"
    instead: str | None = None  # why it is not the quicker one, where "auto" was asked for
    networks: int | None = None  # how many the stacked engine retrains at once; None for as many as memory holds


@dataclass(frozen=True)
class Paths:
    """Where things are written; no part of what a study is."""

    out: Path  # of all studies
    cache: Path  # of data tensors


@dataclass(frozen=True)
class Setting:
    """What one composed configuration says, but for the runs that it asks for."""

    label: str  # first part of the study folder's name
    network: NetworkSetting
    data: DataSetting
    pruning: PruningSetting
    pretrain: PretrainSetting
    retrain: RetrainSetting
    engine: EngineSetting
    trainer: TrainerSettings
    paths: Paths
    pipeline: PipelineSetting = field(default_factory=PipelineSetting)
