"""From a setting to the file of its exact search: dense network, losses, sums, file."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import Tensor

from oraclecheck.engines.trainer import device_of
from oraclecheck.files import digest
from oraclecheck.leases import Lease, holder
from oraclecheck.oracle.chain import ChainLosses
from oraclecheck.oracle.images import by_class
from oraclecheck.oracle.search import Sums, add_up
from oraclecheck.pipelines.checkpoint import Checkpoint
from oraclecheck.pipelines.dense import dense_checkpoint, dense_network, load_data
from oraclecheck.pipelines.one_shot import behind
from oraclecheck.pipelines.proof import prove_pruning
from oraclecheck.pruning.space import CombinationSpace
from oraclecheck.records.provenance import provenance
from oraclecheck.records.searches import ROWS, Search, read_search, search_definition, search_path, write_search
from oraclecheck.spelling import spell_number
from oraclecheck.study.setting import Setting
from oraclecheck.waiting import waiting

POLL_SECONDS = 2.0  # between looks whether another process has trained the dense network

MOST = 2_000_000
"""Combinations that are all scored: MNIST's images take an hour on two cores."""

GROUP = 128
"""Images that go through a chain together: more would leave a core's cache."""


@dataclass(frozen=True)
class Searched:
    """A space that is searched, and the file of it."""

    space: CombinationSpace
    path: Path
    search: Search


def searched(setting: Setting, top: int, workers: int) -> Searched:
    """The search of a setting's space; what is not done of it is done now.

    Args:
        setting: The setting.
        top: How many of the best combinations are wanted, where a space is too large to keep all.
        workers: Threads.

    Raises:
        ValueError: If the space is too large, another process searches it, or the file cannot be written.
    """
    _check(setting)
    while (checkpoint := dense_checkpoint(setting)) is None:
        time.sleep(POLL_SECONDS)
    prove_pruning(setting, checkpoint)
    space, definition = setting.pruning.space, search_definition(setting, checkpoint.hash)
    path = search_path(setting, definition)
    try:
        return Searched(space, path, read_search(path))
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    lease = Lease(path.with_name(f".{path.name}.claim"))
    if not lease.take():
        owner = holder(lease.path)
        who = f"process {owner[1]} on {owner[0]}" if owner else "another process"
        raise ValueError(f"a space must be searched by one command at a time; {who} searches this one: wait for it")
    try:
        return Searched(space, path, _search(setting, checkpoint, definition, path, workers))
    except OSError as error:
        raise ValueError(
            f"paths.out must have room for the search's file; {path} cannot be written: {error.strerror}"
        ) from None
    finally:
        lease.release()


def _check(setting: Setting) -> None:
    """Refuse what cannot be searched before anything is trained."""
    if setting.pruning.scheme != "heads":
        raise ValueError(f"pruning.scheme must be heads for an exact search; got {setting.pruning.scheme}")
    size = setting.pruning.space.size
    if size > MOST:
        raise ValueError(
            f"pruning.ratio must leave at most {MOST:,} combinations for an exact search; got {spell_number(size)}: "
            "prune fewer layers"
        )


def _search(setting: Setting, checkpoint: Checkpoint, definition: dict, path: Path, workers: int) -> Search:
    network = dense_network(setting, checkpoint).eval()
    images = load_data(setting).measured_train
    sums = Sums(path.with_suffix(".partial"), setting.pruning.space.size, digest([definition, GROUP]))
    layers, shape = setting.pruning.space.layers, setting.network.input_shape
    make = partial(ChainLosses, network.to(images.device), shape, layers, behind(setting, network))
    add_up(sums, make, by_class(images, GROUP), len(images), workers)
    scores = sums.total / sums.images
    device = device_of(setting.trainer)
    modules = [setting.network.description["_target_"]]
    computed = provenance(device, 1, modules, {})
    done = Search(
        definition, sums.images, True, len(scores), sums.seconds, sums.cpu_seconds,
        computed["versions"], computed["device"], "in PyTorch",
    )  # fmt: skip
    write_search(path, done, _rows(setting.pruning.space, scores))
    sums.remove()
    return done


def _rows(space: CombinationSpace, scores: Tensor) -> Iterator[tuple[list[int], list[float]]]:
    """Indices and scores of all combinations, in lexicographic order, in parts."""
    with waiting("numbering the combinations", len(scores)) as step:
        for first, part in zip(range(0, len(scores), ROWS), scores.split(ROWS), strict=True):
            indices = []
            for place in range(first, first + len(part)):
                indices.append(space.index_at(place))
                step()
            yield indices, part.tolist()
