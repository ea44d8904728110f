"""What a command would do, and what it would cost: nothing is trained or written but data in the cache."""

import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from statistics import fmean

import torch
from rich.console import Console
from rich.table import Table

from oraclecheck.command.places import gpus
from oraclecheck.command.request import Request
from oraclecheck.engines.classifier import Classifier
from oraclecheck.engines.evaluation import batch_size
from oraclecheck.engines.recipe import Recipe
from oraclecheck.networks.shadow import build
from oraclecheck.pipelines.dense import dense_path, epochs_to_keep, load_data, study_if_known
from oraclecheck.pipelines.one_shot import pruner
from oraclecheck.records.state import State, Watch, runs_of
from oraclecheck.records.store import RECORD
from oraclecheck.spelling import spell_seconds
from oraclecheck.study.setting import Setting

SOME = 20  # records, of which the size is looked at
STEPS = 3  # that are timed; the first one, which is slower, is not

RECORD_BYTES = 3000
"""Of a record, without its history (150 bytes an epoch) and which test images are right (a sixth of a byte each)."""


@dataclass(frozen=True)
class Cost:
    """What a run and a dense network of a study cost; None where nobody can know before a run is on record."""

    run: float | None  # seconds
    dense: float | None  # seconds; 0 if there is one
    record: float | None  # bytes
    from_records: bool


def rehearse(requests: Sequence[Request], workers: int) -> None:
    """Print the studies, the runs that are missing, and estimates of time, disk and memory.

    Args:
        requests: What the command asks for.
        workers: How many workers it would start.
    """
    table = Table("study", "asked", "done", "missing", "a run", "in all", box=None, pad_edge=False)
    seconds: list[float | None] = []
    disk = 0.0
    for request in requests:
        name, state = _state(request)
        missing = state.asked - state.over
        cost = _cost(request, name, state)
        alone = None if cost.run is None or cost.dense is None else missing * cost.run + cost.dense
        seconds.append(alone)
        disk += missing * (cost.record or 0)
        a_run = "" if cost.run is None else f"{spell_seconds(cost.run)}{'' if cost.from_records else ' (measured)'}"
        in_all = "unknown before its first run" if alone is None else spell_seconds(alone)
        table.add_row(name, f"{state.asked:,}", f"{state.over:,}", f"{missing:,}", a_run, in_all)
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
    print(f"; {absent} dense network{'s' * (absent != 1)} to train; disk {disk / 1e6:.1f} MB; ", end="")
    # on Linux kilobytes, on a Mac bytes
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(f"memory about {peak / 1e9:.1f} GB a worker, as this process took; nothing was started")


def _state(request: Request) -> tuple[str, State]:
    """The study's name, or its label while its dense network is missing, and how far it is."""
    study, out = study_if_known(request.setting), request.setting.paths.out
    asked = runs_of(request.combinations, request.repeats) if request.runs else set()
    folder = out / (study.name if study else request.setting.label)
    return folder.name, Watch(folder, asked).look() if study else State(len(asked))


def _cost(request: Request, study: str, state: State) -> Cost:
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
    run = _seconds(setting, pruned, recipe, evaluations=2 * max(1, len(rounds)))
    pretrain = replace(setting.pretrain.recipe, epochs=epochs_to_keep(setting)[-1])
    dense = 0.0 if trained else _seconds(setting, network, pretrain, evaluations=0)
    return Cost(run, dense, record, from_records=False)


def _seconds(setting: Setting, network: torch.nn.Module, recipe: Recipe, evaluations: int) -> float:
    """What a training takes, by a few steps of it.

    Args:
        setting: Data and sizes.
        network: What is trained.
        recipe: How.
        evaluations: Of the whole training set; the test set is measured after each epoch.
    """
    data = load_data(setting)
    module = Classifier(network, recipe, 0)
    [optimizer], _ = module.configure_optimizers()
    batches = iter(data.train.shuffled(recipe.batch_size, 0))
    waiting = iter(data.train.batches(batch_size(setting.network.input_shape)))

    def step() -> int:
        batch = next(batches)
        optimizer.zero_grad()
        module.training_step(batch, 0).backward()
        optimizer.step()
        return len(batch[1])

    def forward() -> int:
        images, labels = next(waiting)
        with torch.inference_mode():
            network.eval()(images)
        return len(labels)

    network.train()
    trained, measured = _per_image(step), _per_image(forward)
    n, m = len(data.train), len(data.test)
    return recipe.epochs * (n * trained + m * measured) + evaluations * (n + m) * measured


def _per_image(work: Callable[[], int]) -> float:
    """Seconds an image takes, by the quickest of a few batches; of a small set by the first."""
    found = []
    for _ in range(1 + STEPS):
        start = time.perf_counter()
        try:
            images = work()
        except StopIteration:
            break
        found.append((time.perf_counter() - start) / images)
    return min(found[1:] or found)
