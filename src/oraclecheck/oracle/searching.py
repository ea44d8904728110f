"""From a setting to the file of its exact search: dense network, losses, sums, file."""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from oraclecheck.data.images import LabelledImages
from oraclecheck.engines.evaluation import batch_size
from oraclecheck.engines.trainer import device_of, on_cpu
from oraclecheck.files import digest
from oraclecheck.leases import Lease, holder
from oraclecheck.oracle.bounded import BestSoFar, search_best
from oraclecheck.oracle.chain import ChainLosses, PrunedChain
from oraclecheck.oracle.images import by_class
from oraclecheck.oracle.rest import RestLosses
from oraclecheck.oracle.search import Sums, add_up
from oraclecheck.pipelines.checkpoint import Checkpoint
from oraclecheck.pipelines.dense import dense_checkpoint, dense_network, load_data
from oraclecheck.pipelines.one_shot import behind, pruner
from oraclecheck.pipelines.proof import prove_pruning
from oraclecheck.pruning.combination import LayerChoice, Removed
from oraclecheck.pruning.space import CombinationSpace
from oraclecheck.records.provenance import provenance
from oraclecheck.records.searches import ROWS, Search, read_search, search_definition, search_path, write_search
from oraclecheck.spelling import spell_number
from oraclecheck.study.setting import Setting
from oraclecheck.waiting import waiting

POLL_SECONDS = 2.0  # between looks whether another process has trained the dense network

MOST = 2_000_000
"""Combinations that are all scored: MNIST's images take an hour on two cores. Of more the best are found."""

MOST_PRUNED = 20_000
"""Combinations of a network that is no chain, each of which is pruned and run."""

MOST_BOUNDED = 100_000_000
"""Combinations of which the best are found."""

FEWEST = 100
"""Of the best, where not all are scored."""

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
    space, definition = setting.pruning.filters, search_definition(setting, checkpoint.hash)
    path = search_path(setting, definition)
    try:
        search = read_search(path)
        if search.complete or search.rows >= top:
            return Searched(space, path, search)
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    lease = Lease(path.with_name(f".{path.name}.claim"))
    if not lease.take():
        owner = holder(lease.path)
        who = f"process {owner[1]} on {owner[0]}" if owner else "another process"
        raise ValueError(f"a space must be searched by one command at a time; {who} searches this one: wait for it")
    try:
        return Searched(space, path, _search(setting, checkpoint, definition, path, top, workers))
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
    size = setting.pruning.filters.size
    if size > MOST_BOUNDED:
        raise ValueError(
            f"pruning.ratio must leave at most {MOST_BOUNDED:,} combinations for an exact search; got "
            f"{spell_number(size)}: prune fewer layers"
        )


def _search(setting: Setting, checkpoint: Checkpoint, definition: dict, path: Path, top: int, workers: int) -> Search:
    network, images = dense_network(setting, checkpoint).eval(), load_data(setting).measured_train
    layers, wired = setting.pruning.layers, behind(setting, network)
    network = network.to(images.device)
    size, kept = setting.pruning.filters.size, path.with_suffix(".partial")
    computed = provenance(device_of(setting.trainer), 1, [setting.network.description["_target_"]], {})

    def described(rows: int, way: str, done: Sums | BestSoFar) -> Search:
        took = {"seconds": done.seconds, "cpu_seconds": done.cpu_seconds}
        return Search(
            definition, len(images), rows == size, rows, versions=computed["versions"], device=computed["device"],
            way=way, **took,
        )  # fmt: skip

    chain = _chain(network, images, layers, wired)
    if isinstance(chain, PrunedChain):
        cache = _cache(chain, setting)
        way = "in PyTorch" if cache is None else "by kernels"
        if size <= MOST:
            sums = Sums(kept, size, digest([definition, GROUP, way]))
            add_up(sums, lambda: ChainLosses(chain, cache), by_class(images, GROUP), len(images), workers)
            done = described(size, way, sums)
            write_search(path, done, _rows(setting.pruning.filters, sums.total / len(images)))
            sums.remove()
            return done
        so_far = BestSoFar(kept, max(top, FEWEST), digest([definition, max(top, FEWEST), way]))
        search_best(so_far, chain, network, images, layers, wired, workers, cache)
        best, share = so_far.best.found(), so_far.losses / (size * len(images))
        done = described(len(best), f"{share:.1%} of the losses computed {way}", so_far)
        space = setting.pruning.filters
        scores = [total / len(images) for total in best.values()]
        write_search(path, done, [([space.index_at(place) for place in best], scores)])
        so_far.remove()
        return done
    if size > MOST_PRUNED:
        raise ValueError(
            f"pruning.ratio must leave at most {MOST_PRUNED:,} combinations for an exact search of a network that is "
            f"no chain; got {spell_number(size)}: prune fewer layers ({chain})"
        )
    batch = batch_size(images.shape)
    sums = Sums(kept, size, digest([definition, batch, "rest"]))
    with waiting("pruning the network", size) as step:
        rest = RestLosses(network, setting.pruning.filters, pruner(setting, network), step)
    add_up(sums, lambda: rest, images.batches(batch), len(images), workers)
    done = described(size, "each pruned network from its first pruned layer on", sums)
    write_search(path, done, _rows(setting.pruning.filters, sums.total / len(images)))
    sums.remove()
    return done


def _chain(
    network: nn.Module, images: LabelledImages, layers: Sequence[LayerChoice], behind: Removed | None
) -> PrunedChain | str:
    """The chain that a network is, or why it is none."""
    try:
        return PrunedChain(network, images.shape, layers, behind)
    except ValueError as error:
        return str(error).partition("; ")[2].partition(": choose")[0] or str(error)


def _cache(chain: PrunedChain, setting: Setting) -> Path | None:
    """Where the kernels of a chain lie; None where there are none, without a compiler or on a GPU."""
    if not chain.ends_in_products or not on_cpu(setting.trainer):
        return None
    try:
        chain.head(setting.paths.cache)
    except ValueError as error:
        print(f"oraclecheck: searching in PyTorch, without kernels: {error}", file=sys.stderr, flush=True)
        return None
    return setting.paths.cache


def _rows(space: CombinationSpace, scores: Tensor) -> Iterator[tuple[list[int], list[float]]]:
    """Indices and scores of all combinations, in lexicographic order, in parts."""
    with waiting("numbering the combinations", len(scores)) as step:
        for first, part in zip(range(0, len(scores), ROWS), scores.split(ROWS), strict=True):
            indices = []
            for place in range(first, first + len(part)):
                indices.append(space.index_at(place))
                step()
            yield indices, part.tolist()
