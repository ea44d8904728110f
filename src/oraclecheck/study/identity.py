"""What a study is, and what a run of it is: the columns that every record, table and mirror of runs begins with."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

from oraclecheck.files import digest
from oraclecheck.pruning.combination import Removed
from oraclecheck.pruning.masks.choice import is_mask_choice, without_hash
from oraclecheck.seeds import derive_seed, run_seed

if TYPE_CHECKING:
    from oraclecheck.pruning.masks.space import Space  # it brings torch, which `status` does without

SCHEMA = 3
"""Version of the record's columns and of the study's file; a reader refuses a later one than its own."""

DENSE = "dense_hash"
"""The key of a definition that says which dense network it is, the only one that does."""


@dataclass(frozen=True)
class RunIdentity:
    """The columns that say what a run is; wherever runs are told apart or alike, it is by these.

    Attributes:
        schema: Version of the record's columns.
        study: Name of the study's folder.
        study_hash: Identity of everything that is fixed in the study.
        setting_hash: Identity of the same without the dense network: only studies that share it are networks of one
            setting, which may be averaged.
        model: Name of the network.
        data: Name of the data set.
        layers: The prunable layers, in the network's order.
        pruning_ratio: Layer -> fraction of its filters removed; of single weights the fraction of those of all layers.
        wiring: "correct", or "released_code" for the network that the paper's released code builds.
        order: "lexicographic" or "sampled": how combinations are numbered.
        space_size: Number of combinations there are; null from 10^300 on, and where they are drawn without an end.
        combo: Index of the combination; null where a criterion picked it.
        removed: Layer -> indices of its removed filters, in the dense numbering, ascending; of single weights instead
            `method`, `noise`, `seed` and `mask`, as `MaskChoice` has them.
        picked_by: Criterion that picked the combination, else null; such records stay out of every statistic.
        repeat: Which retraining of the combination this is.
        seed: Seed of this run's training order.
        pipeline: What lies between the dense network and the final metrics: "one_shot"; "during", the same with a dense
            network that was taken in mid-training; "iterative", rounds of pruning and retraining, whose `removed` lists
            filters round by round; "scratch", the pruned architecture trained from a fresh start.
        engine: "lightning", "lanes" or "stacked": what retrained it. Engines add the same numbers in another order.
        retrain_fraction: Fraction of the retraining recipe's epochs that was run.
        dense_hash: SHA-256 of the dense network's tensors.
        pretrain_seed: Seed of the dense network's training; null if it was loaded from a file.
    """

    schema: int
    study: str
    study_hash: str
    setting_hash: str
    model: str
    data: str
    layers: list
    pruning_ratio: dict
    wiring: str
    order: str
    space_size: int | None
    combo: int | None
    removed: dict
    picked_by: str | None
    repeat: int
    seed: int
    pipeline: str
    engine: str
    retrain_fraction: float
    dense_hash: str
    pretrain_seed: int | None


IDENTITY = tuple(column.name for column in fields(RunIdentity))

OF_RUN = ("combo", "removed", "picked_by", "repeat", "seed")
"""The identity columns in which the runs of a study differ."""

OF_STUDY = tuple(name for name in IDENTITY if name not in OF_RUN)
"""Those that they share."""

OF_DENSE = ("dense_hash", "pretrain_seed")
"""Those of the dense network."""

SETTING = tuple(name for name in OF_STUDY if name not in ("schema", "study", "study_hash", "setting_hash", *OF_DENSE))
"""Those that a reader tells settings by; what else they must have in common, `setting_hash` knows."""

ONE_RUN = ("study", "picked_by", "combo", "repeat")
"""The columns that name a run among all runs: no two records agree in them."""


def run_identity(
    of_study: Mapping[str, Any],
    base_seed: int,
    *,
    combo: int | None,
    removed: Mapping[str, Any],
    picked_by: str | None,
    repeat: int,
) -> dict[str, Any]:
    """A run's identity columns, in their order: those of its study (`OF_STUDY`), and what `RunIdentity` names.

    Its seed follows from the configured `seed`, `base_seed`.
    """
    said: dict[str, Any]
    if is_mask_choice(removed):
        said, seed = dict(removed), derive_seed(base_seed, without_hash(removed), repeat, "retrain")
    else:
        said = {layer: list(filters) for layer, filters in removed.items()}
        seed = run_seed(base_seed, said, repeat, "retrain")
    of_run = {"combo": combo, "removed": said, "picked_by": picked_by, "repeat": repeat, "seed": seed}
    columns = {**of_study, **of_run}
    return {name: columns[name] for name in IDENTITY}


@dataclass(frozen=True)
class Study:
    """A setting with one dense network."""

    label: str  # what people call it, the first part of its folder's name
    definition: dict[str, Any]  # JSON-serialisable; two commands with equal definitions add to the same study
    space: "Space"
    data: str  # name of the data set
    pretrain_seed: int | None  # of the dense network's training; None if it was loaded from a file

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the definition."""
        return digest(self.definition)

    @cached_property
    def setting_hash(self) -> str:
        """SHA-256 of the definition without the dense network: studies that share it differ in nothing else."""
        return digest({name: value for name, value in self.definition.items() if name != DENSE})

    @property
    def name(self) -> str:
        """Name of the study's folder."""
        return f"{self.label}-{self.hash[:8]}"

    @property
    def columns(self) -> dict[str, Any]:
        """The identity columns that all its runs share, `OF_STUDY`."""
        named = {
            "schema": SCHEMA,
            "study": self.name,
            "study_hash": self.hash,
            "setting_hash": self.setting_hash,
            "data": self.data,
            "layers": list(self.definition["pruning_ratio"]),
            "space_size": self.space.recorded_size,
            "pretrain_seed": self.pretrain_seed,
        }
        return {name: named[name] if name in named else self.definition[name] for name in OF_STUDY}

    def run(self, combination: int | str, removed: Removed, repeat: int) -> dict[str, Any]:
        """The identity columns of a run of a combination, given by its index or by the criterion that picked it."""
        combo, picked_by = (None, combination) if isinstance(combination, str) else (combination, None)
        of_run: Any = {"combo": combo, "removed": removed, "picked_by": picked_by, "repeat": repeat}
        return run_identity(self.columns, self.definition["seed"], **of_run)


def differences(definitions: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Dotted key -> its value in each of several definitions, where they differ in more than the dense network.

    A definition that lacks a key has None there.
    """
    leaves = [{key: value for key, value in _leaves(one) if key != DENSE} for one in definitions]
    keys = dict.fromkeys(key for one in leaves for key in one)
    values = {key: [one.get(key) for one in leaves] for key in keys}
    return {key: found for key, found in values.items() if any(value != found[0] for value in found)}


def _leaves(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, item in value.items():
        if isinstance(item, Mapping):
            yield from _leaves(item, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", item
