"""Branch and bound over a whole space: threads take its units, the most promising first; what is done is kept."""

import json
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import accumulate, islice
from pathlib import Path
from queue import SimpleQueue

import torch
from torch import Tensor, nn

from oraclecheck.data.images import LabelledImages
from oraclecheck.engines.arithmetic import float32_arithmetic
from oraclecheck.files import read_file, remove_remains, write_json
from oraclecheck.oracle.best import FIRST, Best, BestSearch, Unit, units_of
from oraclecheck.oracle.chain import ChainLosses, PrunedChain
from oraclecheck.oracle.images import by_class
from oraclecheck.oracle.search import KEEP_SECONDS, going_on
from oraclecheck.pruning.combination import LayerChoice, Removed
from oraclecheck.waiting import waiting

SEEDS = 16
"""Choices of all layers but the last that are searched first: what is best of them bounds all others."""

MOST_GUESSED = 1_000_000  # such choices that are ordered by a guess at what they are worth


class BestSoFar:
    """The best combinations of the units that are done, and which these are.

    Args:
        path: Where they are kept.
        top: How many combinations are wanted.
        key: Identity of what is searched; what was kept of something else does not count.
    """

    def __init__(self, path: Path, top: int, key: str) -> None:
        self.path, self.key = path, key
        self.done: set[Unit] = set()
        self.losses, self.seconds, self.cpu_seconds, found = 0, 0.0, 0.0, {}
        try:
            kept = json.loads(read_file(path))
            if kept["key"] == key:
                self.done = {Unit(*map(tuple, unit)) for unit in kept["done"]}
                self.losses, self.seconds, self.cpu_seconds = kept["losses"], kept["seconds"], kept["cpu_seconds"]
                found = {place: score for place, score in kept["best"]}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError):  # none of ours, or damaged
            path.unlink(missing_ok=True)
        self.best = Best(top, found)
        self._began = (time.perf_counter(), time.process_time())

    def keep(self) -> None:
        """Write it down, whole or not at all."""
        now = (time.perf_counter(), time.process_time())
        self.seconds += now[0] - self._began[0]
        self.cpu_seconds += now[1] - self._began[1]
        self._began = now
        kept = {name: getattr(self, name) for name in ("key", "losses", "seconds", "cpu_seconds")}
        kept |= {"done": sorted(self.done), "best": list(self.best.found().items())}
        write_json(self.path, kept)

    def remove(self) -> None:
        """Remove what was kept, once it is no longer needed."""
        self.path.unlink(missing_ok=True)
        remove_remains(self.path)


def search_best(
    so_far: BestSoFar,
    chain: PrunedChain,
    network: nn.Module,
    images: LabelledImages,
    layers: Sequence[LayerChoice],
    behind: Removed | None,
    workers: int,
    cache: Path | None,
) -> None:
    """Search every unit of a space that is not done.

    Args:
        so_far: What is done; it is written down from time to time, and when the search is broken off.
        chain: The chain.
        network: The dense network, on the device of the images.
        images: Training images.
        layers: The prunable layers.
        behind: See `PrunedChain`.
        workers: Threads.
        cache: See `Head`.

    Raises:
        ValueError: If layers behind the last pruned one pool.
    """
    if not chain.ends_in_products:
        raise ValueError(
            f"pruning.ratio must leave no pooling behind the last layer where a space is too large to score every "
            f"combination; there is some behind {layers[-1].name}: prune fewer layers"
        )
    before, kept = torch.get_num_threads(), time.monotonic()
    one_each = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
    units = list(units_of(chain))
    bar = waiting(f"searching {len(units)} parts of the space, parts", len(units))
    bar.done = len(so_far.done)
    with float32_arithmetic(tf32=False), bar, one_each as pool:
        values, ends = _values(chain, images)
        guesses = _guesses(network, images, layers, behind)
        threads: SimpleQueue[BestSearch] = SimpleQueue()
        for _ in range(workers):
            threads.put(BestSearch(chain, values, ends, cache))

        def search(unit: Unit) -> tuple[Unit, int]:
            mine = threads.get()
            try:
                return unit, mine(unit, so_far.best)
            finally:
                threads.put(mine)

        try:
            left = iter([unit for unit in _promising(chain, units, guesses) if unit not in so_far.done])
            known = set(units)
            running: set[Future[tuple[Unit, int]]] = {pool.submit(search, unit) for unit in islice(left, workers)}
            while running:
                over, running = wait(running, return_when=FIRST_COMPLETED)
                running |= {pool.submit(search, unit) for unit in islice(left, len(over))}
                for unit, losses in (each.result() for each in over):
                    so_far.losses += losses
                    so_far.done |= {unit} & known
                    bar.done = len(so_far.done)
                if time.monotonic() - kept > KEEP_SECONDS:
                    going_on(so_far.keep, so_far.path)
                    kept = time.monotonic()
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(before)
            going_on(so_far.keep, so_far.path)


@torch.inference_mode()
def _values(chain: PrunedChain, images: LabelledImages) -> tuple[Tensor, list[int]]:
    """What the first pruned layer makes of the images, those of each class together, and where each class ends."""
    parts: list[list[Tensor]] = [[] for _ in chain.stages[-1].bias]
    for group, labels in by_class(images, 500):
        values = group.permute(1, 2, 3, 0).contiguous()
        for stage in chain.stages[: chain.pruned[0] + 1]:
            values = stage(values)
        parts[int(labels[0])].append(values)
    ends = list(accumulate(sum(part.shape[3] for part in of_class) for of_class in parts))
    values = torch.empty(*values.shape[:3], ends[-1], device=images.device)
    first = 0
    for of_class in parts:
        while of_class:  # what is copied is freed
            part = of_class.pop(0)
            values[..., first : first + part.shape[3]] = part
            first += part.shape[3]
    return values, ends


def _guesses(
    network: nn.Module, images: LabelledImages, layers: Sequence[LayerChoice], behind: Removed | None
) -> Tensor | None:
    """For each choice of all layers but the last, the loss on a few images where that one loses nothing."""
    if len(layers) < 2:
        return None
    losses = ChainLosses(PrunedChain(network, images.shape, layers[:-1], behind))
    if losses.size > MOST_GUESSED:
        return None
    seen: set[int] = set()
    total = torch.zeros(losses.size, dtype=torch.float64)
    for group, labels in by_class(images, FIRST):
        if int(labels[0]) not in seen:
            seen.add(int(labels[0]))
            total += losses.sums(group, labels)
    return total


def _promising(chain: PrunedChain, units: Sequence[Unit], guesses: Tensor | None) -> list[Unit]:
    """A few small units of the best choices, then all units, those with the best choices first."""
    if guesses is None:
        return list(units)
    last_but_one = len(chain.choices[-2].kept)
    sizes = [len(choices.kept) for choices in chain.choices[:-2]]
    seeds = []
    for number in guesses.argsort()[:SEEDS].tolist():
        rest, last = divmod(number, last_but_one)
        before: list[int] = []
        for size in reversed(sizes):
            rest, choice = divmod(rest, size)
            before.insert(0, choice)
        seeds.append(Unit(tuple(before), (last,)))
    first = 0
    worth = {}
    for unit in units:  # in lexicographic order, as the guesses
        worth[unit] = guesses[first : first + len(unit.last_but_one)].min().item()
        first += len(unit.last_but_one)
    return seeds + sorted(units, key=lambda unit: worth[unit])
