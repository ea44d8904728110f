"""What a command would do, and what it would cost: nothing is trained or written but data in the cache."""

import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from statistics import fmean

import torch
from rich.console import Console
from rich.table import Table

from oraclecheck.command.places import gpus
from oraclecheck.command.request import Request
from oraclecheck.data.images import ImageData
from oraclecheck.engines.classifier import Classifier
from oraclecheck.engines.evaluation import batch_size
from oraclecheck.engines.recipe import Recipe
from oraclecheck.multimodal.memory import FLOAT
from oraclecheck.networks.shadow import build, shadow_network
from oraclecheck.pipelines.dense import dense_path, epochs_to_keep, load_data, study_if_known
from oraclecheck.pipelines.one_shot import pruner
from oraclecheck.pruning.masks.space import MaskSpace
from oraclecheck.records.state import State, Watch, runs_of
from oraclecheck.records.store import RECORD
from oraclecheck.spelling import spell_seconds
from oraclecheck.study.setting import Setting
from oraclecheck.waiting import waiting

SOME = 20  # records, of which the size is looked at
STEPS = 3  # that are timed; the first one, which is slower, is not
LONGEST = 2.0  # seconds that one of them should take, with as few images as it needs for that
FEWEST = 8  # images, all the same

Tensors = tuple[torch.Tensor, torch.Tensor]
"""Images and their labels."""

RECORD_BYTES = 3000
"""Of a record, without its history (150 bytes an epoch) and which test images are right (a sixth of a byte each)."""


@dataclass(frozen=True)
class Cost:
    """What a run and a dense network of a study cost; None where nobody can know before a run is on record."""

    run: float | None  # seconds
    dense: float | None  # seconds; 0 if there is one
    record: float | None  # bytes
    from_records: bool
    unseen: float = 0.0  # bytes that a whole batch needs beyond what was timed


def rehearse(requests: Sequence[Request], workers: int) -> None:
    """Print the studies, the runs that are missing, and estimates of time, disk and memory.

    Args:
        requests: What the command asks for.
        workers: How many workers it would start.
    """
    table = Table("study", "asked", "done", "missing", "a run", "in all", box=None, pad_edge=False)
    seconds: list[float | None] = []
    disk = unseen = 0.0
    states = [_state(request) for request in requests]
    several = Counter(name for name, _ in states)  # dense networks that are not there yet give no name of their own
    timed: dict[Hashable, Timed] = {}
    costs = []
    with waiting("timing a few steps of each study", len(requests)) as step:
        for request, (name, state) in zip(requests, states, strict=True):
            costs.append(_cost(request, name, state, timed))
            step()
    for request, (name, state), cost in zip(requests, states, costs, strict=True):
        missing = state.asked - state.over
        alone = None if cost.run is None or cost.dense is None else missing * cost.run + cost.dense
        seconds.append(alone)
        disk += missing * (cost.record or 0) + _beside_records(request)
        unseen = max(unseen, cost.unseen)
        a_run = "" if cost.run is None else f"{spell_seconds(cost.run)}{'' if cost.from_records else ' (measured)'}"
        in_all = "unknown before its first run" if alone is None else spell_seconds(alone)
        shown = name if several[name] == 1 else f"{name}, pretrain.seed={request.setting.pretrain.seed}"
        table.add_row(shown, f"{state.asked:,}", f"{state.over:,}", f"{missing:,}", a_run, in_all)
    width = None if sys.stdout.isatty() else 200
    Console(width=width, highlight=False, markup=False).print(table)
    known = [each for each in seconds if each is not None]
    dense = {dense_path(request.setting) for request in requests}
    absent = sum(not path.is_file() for path in dense)
    workers = max(1, min(workers, sum(len(request.runs) or 1 for request in requests)))
    if len(known) == len(seconds):
        print(f"about {spell_seconds(sum(known) / workers)} with {workers} worker{'s' * (workers > 1)}", end="")
    else:
        print(f"{workers} worker{'s' * (workers > 1)}", end="")
    print(f"; {absent} dense network{'s' * (absent != 1)} to train; disk {_spell_bytes(disk)}; ", end="")
    # on Linux kilobytes, on a Mac bytes
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(f"memory about {(peak + unseen) / 1e9:.1f} GB a worker, as this process took; nothing was started")


def _state(request: Request) -> tuple[str, State]:
    """The study's name, or its label while its dense network is missing, and how far it is."""
    study, out = study_if_known(request.setting), request.setting.paths.out
    asked = runs_of(request.combinations, request.repeats) if request.runs else set()
    folder = out / (study.name if study else request.setting.label)
    return folder.name, Watch(folder, asked).look() if study else State(len(asked))


def _beside_records(request: Request) -> float:
    """Bytes of masks, and of networks that are kept, that missing runs leave."""
    setting, paths = request.setting, request.missing()
    space, size = setting.pruning.space, 0.0
    if isinstance(space, MaskSpace) and request.runs:  # bits as base64
        combinations = len(request.combinations) if paths is None else len({path.parents[1] for path in paths})
        size += combinations * sum(layer.weights for layer in space.layers) / 8 * 4 / 3
    if setting.trainer.keep:
        parameters = sum(each.numel() for each in shadow_network(setting.network.description).parameters())
        size += request.count(paths) * parameters * FLOAT
    return size


def _spell_bytes(size: float) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _cost(request: Request, study: str, state: State, timed: dict[Hashable, "Timed"]) -> Cost:
    setting = request.setting
    records = (setting.paths.out / study).glob(f"*/*/{RECORD}")
    sizes = [path.stat().st_size for path in islice(records, SOME)]
    trained = setting.pretrain.loads or dense_path(setting).is_file()
    if state.seconds is not None and trained:
        return Cost(state.seconds, 0.0, fmean(sizes), from_records=True)
    if gpus(setting.trainer.accelerator):  # nothing here may open one
        return Cost(None, None, None, from_records=False)
    torch.set_num_threads(setting.trainer.threads)
    data, network = load_data(setting), build(setting.network.description)
    if setting.network.channels_last:
        network = network.to(memory_format=torch.channels_last)
    removed = setting.pruning.space.unrank(0)
    pruned = pruner(setting, network)(network, removed)
    images = len(data.train), len(data.test)
    recipe, rounds = setting.retrain.recipe, setting.pipeline.rounds
    recipe = replace(recipe, epochs=sum(each.epochs for each in rounds) or recipe.epochs)
    record = RECORD_BYTES + 150 * recipe.epochs + images[1] / 6
    run, unseen = _seconds(setting, pruned, recipe, evaluations=2 * max(1, len(rounds)), timed=timed)
    pretrain = replace(setting.pretrain.recipe, epochs=epochs_to_keep(setting)[-1])
    dense, more = (0.0, 0.0) if trained else _seconds(setting, network, pretrain, evaluations=0, timed=timed)
    return Cost(run, dense, record, from_records=False, unseen=max(unseen, more))


@dataclass(frozen=True)
class Timed:
    """What a few steps of a training took."""

    trained: float  # seconds an image
    measured: float  # the same where it is only measured
    unseen: int  # bytes that they needed less than whole batches


def _seconds(
    setting: Setting, network: torch.nn.Module, recipe: Recipe, evaluations: int, timed: dict[Hashable, Timed]
) -> tuple[float, float]:
    """Seconds that a training takes, by a few steps of it, and bytes that these need less than whole batches.

    Args:
        setting: Data and sizes.
        network: What is trained.
        recipe: How.
        evaluations: Of the whole training set; the test set is measured after each epoch.
        timed: What was timed before: trainings that differ in epochs and rates alone take the same steps.
    """
    data = load_data(setting)
    shapes = tuple(tuple(each.shape) for each in network.parameters())
    alike = replace(recipe, epochs=1, schedule=(), decay="step", lr_min=0.0, weight_decay=0.0)
    key = setting.data.source, setting.data.preparation, setting.trainer.threads, str(setting.network), shapes, alike
    if key not in timed:
        timed[key] = _timed(network, data, recipe)
    steps, n, m = timed[key], len(data.train), len(data.test)
    seconds = recipe.epochs * (n * steps.trained + m * steps.measured) + evaluations * (n + m) * steps.measured
    return seconds, float(steps.unseen)


def _timed(network: torch.nn.Module, data: ImageData, recipe: Recipe) -> Timed:
    module = Classifier(network, recipe, 0)
    [optimizer], _ = module.configure_optimizers()

    def step(batch: Tensors) -> None:
        network.train()
        optimizer.zero_grad()
        module.training_step(batch, 0).backward()
        optimizer.step()

    def forward(batch: Tensors) -> None:
        with torch.inference_mode():
            network.eval()(batch[0])

    trained, shown = _per_image(step, lambda size: data.train.shuffled(size, 0), recipe.batch_size)
    measured, _ = _per_image(forward, data.train.batches, data.train.measured_at_once or batch_size(data.train.shape))
    if shown == recipe.batch_size:
        return Timed(trained, measured, 0)
    batch = next(iter(data.train.shuffled(FEWEST, 0)))
    kept = _kept_for_backward(network, lambda: step(batch))
    return Timed(trained, measured, (recipe.batch_size - shown) * kept // len(batch[0]))


def _kept_for_backward(network: torch.nn.Module, step: Callable[[], None]) -> int:
    """Bytes of activations that a step holds at once."""
    parameters = {each.untyped_storage().data_ptr() for each in network.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        step()
    return sum(kept.values())


def _per_image(
    work: Callable[[Tensors], None], batches: Callable[[int], Iterable[Tensors]], size: int
) -> tuple[float, int]:
    """Seconds an image takes, by the quickest of a few batches, of a small set by the first, and images of a batch.

    A large network is shown smaller batches, which take it as long for each image, once its caches are full.
    """

    def timed(batch: Tensors) -> float:
        start = time.perf_counter()
        work(batch)
        return (time.perf_counter() - start) / len(batch[0])

    few = timed(next(iter(batches(min(size, FEWEST)))))
    found: list[float] = []
    began = time.perf_counter()
    shown = min(size, max(FEWEST, int(LONGEST / few)))
    for batch in islice(batches(shown), 1 + STEPS):
        if found and len(batch[0]) < shown:  # one image may be left over, of which a BatchNorm makes no variance
            break
        found.append(timed(batch))
        if time.perf_counter() - began > STEPS * LONGEST:
            break
    return min(found[1:] or found), shown
