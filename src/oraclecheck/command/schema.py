"""Schemas of the configuration: wrong types and misspelt keys fail before any job starts.

This module and cli.py import nothing heavy, so that `--help` and tab completion answer at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from omegaconf import MISSING, OmegaConf

from oraclecheck.data.classes import class_folders
from oraclecheck.multimodal.hub import image_side

Stage = Enum("Stage", ["run", "pretrain"])
Wiring = Enum("Wiring", ["correct", "released_code"])
Scheme = Enum("Scheme", ["heads", "width", "unstructured"])
Order = Enum("Order", ["auto", "lexicographic", "sampled"])
Optimizer = Enum("Optimizer", ["sgd", "adamw"])
Schedule = Enum("Schedule", ["step", "cosine", "cosine_by_step"])
PipelineName = Enum("PipelineName", ["one_shot", "iterative", "scratch", "during"])
Budget = Enum("Budget", ["epochs", "flops"])
TrainEval = Enum("TrainEval", ["plain", "augmented"])
EngineName = Enum("EngineName", ["lightning", "lanes", "stacked", "auto"])
Logger = Enum("Logger", ["wandb", "none"])
WandbMode = Enum("WandbMode", ["offline", "online"])


@dataclass
class LayersConfig:
    """Prunable layers: a regular expression for their whole names, how many it matches, and their class."""

    layers: str = MISSING
    count: int = MISSING
    type: str = "Conv2d"


@dataclass
class ModelConfig:
    """A network and what is pruned in it unless `pruning.ratio` says otherwise.

    Of a model in the Hub's format `path` is the folder or the name. Where single weights go, `maskable` are the layers
    that lose them and `blocks` tells the layers of a block, unless `pruning.unstructured` says otherwise.
    """

    name: str = MISSING
    network: dict[str, Any] = MISSING
    prunable: list[LayersConfig] = field(default_factory=list)
    ratio: Any = MISSING
    input_shape: list[int] = MISSING
    weights: str | None = None
    channels_last: bool = False
    path: str | None = None
    maskable: list[str] = field(default_factory=lambda: [".*"])
    blocks: str | None = None


@dataclass
class AugmentConfig:
    """Random changes of training images; none by default."""

    crop_padding: int = 0
    flip: bool = False
    resized_crop: bool = False


@dataclass
class DataConfig:
    """A data set; `source` is a class of oraclecheck.data.sources and its arguments.

    `train_eval: augmented` measures training-set metrics, the pruned train loss among them, on augmented images;
    `train_eval_images` measures them on so many training images, balanced over the classes. `train` and `test` are
    folders of images and `in_memory`, `crop_ratio` and `workers` say how those are read.
    """

    name: str = MISSING
    source: dict[str, Any] = MISSING
    mean: list[float] = MISSING
    std: list[float] = MISSING
    classes: int = MISSING
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    train_eval: TrainEval = TrainEval.plain
    train_eval_images: int | None = None
    root: str | None = None
    train: str | None = None
    test: str | None = None
    crop_ratio: float = 1.0
    in_memory: bool | str = "auto"
    workers: int = 0
    download: bool = False


@dataclass
class UnstructuredConfig:
    """Which single weights may go (`scheme: unstructured`), and by which methods, with how much noise.

    The rest is about the methods `outlier` and `components`, whose blocks of layers lose unequal shares: how a block
    is told by the beginning of a layer's name (null: every layer is one), from how many mean magnitudes on a weight is
    an outlier, what share of the variance the counted components explain, and half of what shares may differ by.
    """

    layers: list[str] = field(default_factory=lambda: [".*"])
    methods: list[str] = field(default_factory=lambda: ["uniform", "global", "outlier", "components"])
    noise: list[float] = field(default_factory=lambda: [0.0])
    blocks: str | None = None
    outlier: float = 5.0
    variance: float = 0.9
    spread: float = 0.08


@dataclass
class PruningConfig:
    """Which filters may go, how many, and how combinations are numbered.

    `scheme: width` makes vision transformers narrower, as the paper's released code does, instead of removing heads;
    `unstructured` removes single weights.
    `budget: {criterion: l1, ratio: 0.5}` shares out one budget over the layers of `ratio` by a global threshold.
    """

    ratio: Any = None
    budget: Any = None
    scheme: Scheme = Scheme.heads
    wiring: Wiring = Wiring.correct
    order: Order = Order.auto
    order_seed: int = 0
    unstructured: UnstructuredConfig = field(default_factory=UnstructuredConfig)


@dataclass
class RecipeConfig:
    """How a network is trained; `lr` is `epoch: rate` pairs, 0-based, as the papers write them.

    It may also be the second paper's rule, "halving 1e-2 to 1e-5 +60": 60 of the epochs go to the first stage alone;
    "at most 4" before that makes stages of 4 epochs the longest, instead of 30.
    `schedule: cosine` falls from its one rate to `lr_min`, epoch by epoch; `cosine_by_step`, of language models alone,
    step by step.
    `fraction` scales epochs and schedule; `epochs` alone cuts the schedule off. `mixup` and `cutmix` are the alphas of
    their Beta distributions, `gradient_clip` the largest norm of a gradient.
    """

    epochs: int = MISSING
    batch_size: int = MISSING
    lr: str = MISSING
    fraction: float = 1.0
    momentum: float = 0.9
    weight_decay: float = 1e-4
    optimizer: Optimizer = Optimizer.sgd
    schedule: Schedule = Schedule.step
    lr_min: float = 0.0
    label_smoothing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    gradient_clip: float | None = None


@dataclass
class PretrainConfig(RecipeConfig):
    """How the dense network is trained, or torchvision's weights or the checkpoint it is loaded from."""

    seed: int = 0
    weights: str | None = None
    checkpoint: str | None = None
    keep: list[int] = field(default_factory=list)


@dataclass
class PipelineConfig:
    """What lies between the dense network and the final metrics.

    `iterative` removes filters in `rounds`: so many, or a list of them, each with the `ratio` of the original filters
    that it removes and the `epochs` and `lr` of the retraining after it; what is left out is an equal share of the
    pruning ratio and what `retrain` says.

    `during` prunes the dense network after `epoch` epochs of its training, which `divide_by_speedup` divides by how
    many times fewer multiply-accumulates the pruned network has. `pretrain.keep` are epochs of other studies, so that
    one training serves them all.

    `scratch` trains the pruned architecture from a fresh start, by `retrain` for as many epochs as `retrain.epochs` and
    the `dense_epochs` (null: those of `pretrain`) make together, or with `budget: flops` for as many
    multiply-accumulates.
    """

    name: PipelineName = PipelineName.one_shot
    epoch: int | None = None
    divide_by_speedup: bool = False
    budget: Budget = Budget.epochs
    dense_epochs: int | None = None
    rounds: Any = None


@dataclass
class EngineConfig:
    """What retrains pruned networks; every engine gives the same kind of result.

    The stacked one retrains so many `networks` at once; `auto` is as many as the GPU's memory holds.
    """

    name: EngineName = EngineName.lightning
    networks: int | str = "auto"


@dataclass
class TrainerConfig:
    """Lightning's accelerator and precision, torch.compile, and torch's threads in each process.

    A batch of a language model comes in `accumulate` parts; `gradient_checkpointing` computes its blocks again in the
    backward pass; a worker trains on one GPU, or with `strategy: fsdp` a language model sharded over so many `devices`,
    which take as many parts at a time; `keep_networks` keeps what is retrained, in the Hub's format beside its record.
    """

    accelerator: str = "auto"
    precision: str = "32-true"
    compile: bool = False
    threads: int = 1
    accumulate: int = 1
    gradient_checkpointing: bool = False
    strategy: str = "auto"
    devices: int = 1
    keep_networks: bool = False


@dataclass
class LoggerConfig:
    """W&B, a mirror of the records."""

    name: Logger = MISSING
    mode: WandbMode = WandbMode.offline
    project: str = "oraclecheck"
    entity: str | None = None


@dataclass
class PathsConfig:
    """Where studies are written and where data tensors are cached."""

    out: str = "multirun"
    cache: str = MISSING


@dataclass
class Config:
    """One command: a study and the combinations and repeats of it that this command runs.

    With `-m` so many `workers` do them; null is as many as there are places: cores, or on machines with GPUs
    `gpu_slots` for each of these. `dry_run` shows what would be done. `rows` are lines of a printed table: values
    that an experiment's file refers to by `row`, so that they can be swept over together.
    """

    stage: Stage = Stage.run
    workers: int | None = None
    gpu_slots: int = 1
    dry_run: bool = False
    combo: int | str = 0
    repeat: int | str = 0
    seed: int = 0
    study: str | None = None
    row: str | None = None
    rows: dict[str, Any] = field(default_factory=dict)
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    pruning: PruningConfig = field(default_factory=PruningConfig)
    pretrain: PretrainConfig = field(default_factory=PretrainConfig)
    retrain: RecipeConfig = field(default_factory=RecipeConfig)
    pipeline: PipelineConfig = field(default_factory=PipelineConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    logger: LoggerConfig = field(default_factory=LoggerConfig)
    paths: PathsConfig = field(default_factory=PathsConfig)


REPLACING = "++pruning.ratio=null"


def replacing(overrides: Sequence[str]) -> list[str]:
    """The overrides such that a mapping in `pruning.ratio=` replaces what an experiment file says of it.

    Hydra would merge the two, and refuse keys that the file does not have.
    """
    first = next((i for i, override in enumerate(overrides) if override.startswith("pruning.ratio=")), None)
    if first is None:
        return list(overrides)
    # "++" for Hydra's sweeper, which of several overrides with the same key keeps the last
    return [*overrides[:first], REPLACING, *overrides[first:]]


def register() -> None:
    """Make the schema known to Hydra under the name the defaults list uses, and our resolver to OmegaConf."""
    Plugins.instance()  # imports the packages of launchers, which store configurations
    store = ConfigStore.instance()
    if "schema.yaml" not in store.repo:
        for name in ("joblib.yaml", "ray.yaml"):  # instead of theirs, ours in conf/hydra/launcher
            store.repo.get("hydra", {}).get("launcher", {}).pop(name, None)
        store.store(name="schema", node=Config)
    register_resolver()


def register_resolver() -> None:
    """Let a configuration count classes, `${count_classes:FOLDER}`, and look at models, `${image_side:PATH}`."""
    OmegaConf.register_new_resolver("image_side", image_side, replace=True)
    OmegaConf.register_new_resolver(
        "count_classes", lambda folder: len(class_folders("data.train", folder)), replace=True
    )
