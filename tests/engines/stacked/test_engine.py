"""The stacked engine against the Lightning engine, and what an engine owes."""

import copy
import math
import statistics
from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import nn
from torch.nn import functional

from engines.test_callbacks import CPU, DATA, RECIPE, dense, prune_as_said
from oraclecheck.data import images
from oraclecheck.data.augmentation import Augmentation
from oraclecheck.data.images import ImageData
from oraclecheck.engines import lightning
from oraclecheck.engines.engine import Retraining, Run
from oraclecheck.engines.evaluation import evaluate
from oraclecheck.engines.stacked import step
from oraclecheck.engines.stacked.bfloat16 import bfloat16
from oraclecheck.engines.stacked.engine import StackedEngine
from oraclecheck.engines.trainer import TrainerSettings
from oraclecheck.networks.lenet import LeNet5Mini

REMOVED = [
    {"conv1": (0, 3, 5), "conv2": (1, 2)},
    {"conv1": (1, 2, 9), "conv2": (0, 7)},
    {"conv1": (4, 6, 8), "conv2": (3, 4)},
]
RUNS = [Run(removed, seed) for seed, removed in enumerate([*REMOVED, *REMOVED, REMOVED[0]])]
"""Seven, of three combinations."""

AUGMENTED = ImageData(replace(DATA.train, augmentation=Augmentation(4, True)), DATA.test, DATA.train)
ADAMW = replace(
    RECIPE, optimizer="adamw", schedule=((0, 0.01),), decay="cosine", weight_decay=0.1, label_smoothing=0.11
)


class Normalised(nn.Module):
    """BatchNorm, one of them in eval mode, a residual sum, ReLUs in place, parameters that are frozen or not used."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 10, 5, stride=3, bias=False), nn.BatchNorm2d(10)
        self.conv2, self.bn2 = nn.Conv2d(10, 10, 3, padding=1, bias=False), nn.BatchNorm2d(10)
        self.relu, self.classifier = nn.ReLU(inplace=True), nn.Linear(10, 10)
        self.frozen = nn.BatchNorm2d(10).eval()
        self.unused, self.scale = nn.Parameter(torch.ones(3)), nn.Parameter(torch.tensor(0.5), requires_grad=False)

    def forward(self, x):
        x = self.relu(self.frozen(self.bn1(self.conv1(x))))
        return self.classifier(self.relu(self.scale * x + self.bn2(self.conv2(x))).mean((2, 3)))


def normalised() -> Normalised:
    torch.manual_seed(0)
    return Normalised()


def silence(network: nn.Module, removed) -> nn.Module:
    """A copy whose filters are not removed but zeroed: quick, and of the same shape whatever is removed."""
    silenced = copy.deepcopy(network)
    for layer, filters in removed.items():
        silenced.get_submodule(layer).weight.data[list(filters)] = 0
    return silenced


CASES = {
    "LeNet5-Mini, SGD": (dense, prune_as_said, DATA, RECIPE),
    "LeNet5-Mini, SGD, augmentation": (dense, prune_as_said, AUGMENTED, RECIPE),
    "LeNet5-Mini, AdamW, label smoothing, cosine": (dense, prune_as_said, DATA, ADAMW),
    "BatchNorm, SGD, augmentation": (normalised, silence, AUGMENTED, replace(RECIPE, momentum=0.0)),
    "BatchNorm, AdamW, clipping, mixup and cutmix": (
        *(normalised, silence, DATA),
        replace(ADAMW, gradient_clip=0.1, mixup=0.2, cutmix=1.0),
    ),
}


QUICK = {("LeNet5-Mini, SGD", 1), ("LeNet5-Mini, SGD", 7), ("BatchNorm, AdamW, clipping, mixup and cutmix", 3)}


def retrain(case, runs=RUNS, networks: int | None = None, trainer=CPU, told=None) -> list[Retraining]:
    make, prune, data, recipe = CASES[case] if isinstance(case, str) else case
    tell = None if told is None else lambda run, entry: told.append((run.seed, entry.get("epoch", "pruned")))
    return list(StackedEngine(networks)(runs, make(), prune, data, recipe, trainer, tell))


@cache
def usual(case: str, double: bool) -> list[Retraining]:
    make, prune, data, recipe = CASES[case]
    return list(lightning.retrain(RUNS[:3], make(), in_double(prune) if double else prune, data, recipe, CPU))


def in_double(prune):
    return lambda network, removed: prune(network, removed).double()


@pytest.fixture
def double_images(monkeypatch):
    """Images as float64."""
    normalise = images.normalise
    for module in (images, step):
        monkeypatch.setattr(module, "normalise", lambda *arguments: normalise(*arguments).double())


def difference(one: nn.Module, other: nn.Module) -> float:
    """The largest over the tensors of their states: norm of the difference over the norm."""
    ours, theirs = one.state_dict().values(), other.state_dict().values()
    return max(((a - b).double().norm() / a.double().norm()).item() for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize(
    ("case", "networks"),
    [
        pytest.param(case, networks, marks=[] if (case, networks) in QUICK else [pytest.mark.slow])
        for case in CASES
        for networks in (1, 3, 7)
    ],
)
def test_three_epochs_end_where_lightnings_end(case, networks):
    """Fifteen steps, of which three take a smaller batch."""
    both = list(zip(retrain(case, RUNS[: max(3, networks)], networks), usual(case, False), strict=False))
    found = [difference(theirs.network, ours.network) for ours, theirs in both]
    print(f"{case}, {networks} at once: {max(found):.1e}, median {statistics.median(found):.1e}")
    # where rounding decides which of two numbers is the larger, a gradient goes another way
    assert statistics.median(found) < 5e-6 and max(found) < 1e-3
    for ours, theirs in both:
        for entry, expected in zip(ours.history, theirs.history, strict=True):
            assert entry == pytest.approx(expected, rel=1e-4) and entry.keys() == expected.keys()
        for before in ("pruned_train", "pruned_test"):
            assert getattr(ours, before).loss == getattr(theirs, before).loss
        for after in ("final_train", "final_test"):
            assert getattr(ours, after).loss == pytest.approx(getattr(theirs, after).loss, rel=1e-4)
            assert getattr(ours, after).accuracy == getattr(theirs, after).accuracy
            assert torch.equal(getattr(ours, after).correct, getattr(theirs, after).correct)
        assert ours.seconds.keys() == theirs.seconds.keys() and not ours.diverged


@pytest.mark.parametrize("case", CASES)
def test_in_float64_the_same_numbers_come_out(case, double_images):
    """Nothing but rounding lies between the engines."""
    make, prune, data, recipe = CASES[case]
    ours = retrain((make, in_double(prune), data, recipe), RUNS[:3], networks=3)
    assert all(difference(b.network, a.network) < 1e-12 for a, b in zip(ours, usual(case, True), strict=True))


BATCH_NORM = "BatchNorm, SGD, augmentation"


def same(one: Retraining, other: Retraining) -> bool:
    """Whether two networks and what was measured on their way are equal to the last bit."""
    states = (each.network.state_dict().values() for each in (one, other))
    metrics = one.history == other.history and one.final_train.loss == other.final_train.loss
    return metrics and all(torch.equal(a, b) for a, b in zip(*states, strict=True))


@pytest.mark.parametrize("case", ["LeNet5-Mini, SGD", BATCH_NORM])
def test_result_does_not_depend_on_neighbours(case):
    together = retrain(case, RUNS[:3], networks=3)
    elsewhere = retrain(case, [RUNS[3], RUNS[1], RUNS[6]], networks=3)
    alone = retrain(case, RUNS[:1], networks=3)
    assert same(together[1], elsewhere[1]) and same(together[0], alone[0])
    assert not same(together[0], elsewhere[0])


def test_what_is_kept_from_group_to_group_changes_nothing():
    case = "BatchNorm, AdamW, clipping, mixup and cutmix"
    make, prune, data, recipe = CASES[case]
    engine, network = StackedEngine(3), make()
    groups = [list(engine(RUNS[i : i + 3], network, prune, data, recipe, CPU)) for i in (0, 3, 0)]
    kept = engine._step
    assert all(same(a, b) for a, b in zip(groups[0], groups[2], strict=True)) and kept is not None
    assert all(same(a, b) for a, b in zip(retrain(case, RUNS[3:6], networks=3), groups[1], strict=True))
    list(engine(RUNS[:1], network, prune, data, recipe, CPU))
    assert engine._step is kept
    (plain,) = engine(RUNS[:1], network, prune, data, RECIPE, CPU)
    assert engine._step is not kept and not same(plain, groups[0][0])


def test_dense_network_is_not_changed():
    network = normalised()
    before = copy.deepcopy(network.state_dict())
    retrain((lambda: network, silence, DATA, RECIPE), networks=3)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("case", ["LeNet5-Mini, SGD", BATCH_NORM])
def test_network_that_diverges_ends_there_and_disturbs_no_other(case):
    make, prune, data, recipe = CASES[case]

    def explode(network, removed):
        pruned = prune(network, removed)
        if removed == REMOVED[1]:
            pruned.classifier.weight.data *= 1e30
        return pruned

    broken = retrain((make, explode, data, recipe), RUNS[:3], networks=3)
    theirs = list(lightning.retrain(RUNS[1:2], make(), explode, data, recipe, CPU))
    healthy = retrain(case, RUNS[:3], networks=3)
    assert [each.diverged for each in broken] == [False, True, False]
    assert same(broken[0], healthy[0]) and same(broken[2], healthy[2])
    assert len(broken[1].history) == len(theirs[0].history) == 1 and len(broken[0].history) == 3
    assert not math.isfinite(broken[1].final_test.loss) and not math.isfinite(broken[1].final_train.loss)


def test_group_whose_networks_have_all_diverged_ends():
    recipe = replace(RECIPE, schedule=((0, 1e30),))
    results = retrain((dense, prune_as_said, DATA, recipe), RUNS[:2], networks=2)
    assert all(each.diverged and len(each.history) == 1 for each in results)


def test_run_that_raises_leaves_its_exception_in_its_place_and_others_go_on():
    told = []
    runs = [RUNS[0], Run({"conv1": (0, 99)}, 8), RUNS[1], Run({"conv1": (0, 99)}, 9), RUNS[2]]
    results = retrain("LeNet5-Mini, SGD", runs, networks=2, told=told)
    assert [isinstance(each, ValueError) for each in results] == [False, True, False, True, False]
    assert "conv1" in str(results[1])
    for found, expected in zip(results[::2], usual("LeNet5-Mini, SGD", False), strict=False):
        assert found.final_test.loss == pytest.approx(expected.final_test.loss, rel=1e-4)
    assert [what for seed, what in told if seed == 1] == ["pruned", 0, 1, 2]
    assert [seed for seed, what in told if what == "pruned"] == [0, 1, 2]


def test_runs_are_taken_when_there_is_room_for_them():
    taken = []

    def runs():
        for run in RUNS[:5]:
            taken.append(run.seed)
            yield run

    results = StackedEngine(2)(runs(), dense(), prune_as_said, DATA, RECIPE, CPU)
    seen = []
    for _ in results:
        seen.append(len(taken))
    assert seen == [2, 2, 4, 4, 5]


def test_evaluations_of_a_combination_are_shared_by_its_repeats():
    repeats = [Run(REMOVED[0], seed) for seed in (1, 2)]
    first, second = retrain("LeNet5-Mini, SGD", repeats, networks=2)
    assert first.pruned_train is second.pruned_train and first.history != second.history


def test_networks_that_are_made_anew_for_each_repeat_are_each_measured():
    made = []

    def fresh(network, removed):
        made.append(removed)
        torch.manual_seed(len(made))
        return prune_as_said(LeNet5Mini(), removed)

    repeats = [Run(REMOVED[0], seed) for seed in (1, 2)]
    first, second = retrain((dense, fresh, DATA, RECIPE), repeats, networks=2)
    assert first.pruned_train.loss != second.pruned_train.loss


def test_group_that_memory_cannot_hold_is_halved_and_loses_no_run(monkeypatch, capsys):
    tried, begin = [], step.Step.load

    def load(self, networks, seeds):
        tried.append(len(networks))
        if len(networks) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        begin(self, networks, seeds)

    monkeypatch.setattr(step.Step, "load", load)
    told = []
    found = retrain("LeNet5-Mini, SGD", networks=7, told=told)
    assert tried[:3] == [7, 3, 1] and [each.final_test.loss for each in found]
    assert told.count((0, "pruned")) == 1 and len(told) == 7 * 4
    lines = capsys.readouterr().err.splitlines()
    assert [line.rpartition(": ")[2] for line in lines] == ["going on with 3", "going on with 1"]
    monkeypatch.undo()
    assert all(same(a, b) for a, b in zip(found, retrain("LeNet5-Mini, SGD", networks=1), strict=True))


def test_memory_that_cannot_hold_one_network_fails_its_run(monkeypatch):
    def load(self, networks, seeds):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(step.Step, "load", load)
    found = retrain("LeNet5-Mini, SGD", RUNS[:3], networks=2)
    assert [type(each) for each in found] == [torch.OutOfMemoryError] * 3


def test_networks_of_different_structures_are_refused():
    def prune(network, removed):
        pruned = prune_as_said(network, removed)
        if removed == REMOVED[1]:
            pruned.hidden.append(nn.Identity())
        return pruned

    found = retrain((dense, prune, DATA, RECIPE), RUNS[:2], networks=2)
    assert all(isinstance(each, ValueError) and "structure" in str(each) for each in found)


def test_training_in_bfloat16_is_measured_in_float32():
    make, prune, data, recipe = CASES[BATCH_NORM]
    trainer = TrainerSettings("cpu", "bf16-mixed")
    full, alone, both = (retrain(BATCH_NORM, RUNS[:2], n, t) for n, t in ((1, CPU), (1, trainer), (2, trainer)))
    (theirs,) = lightning.retrain(RUNS[:1], make(), prune, data, recipe, trainer)
    assert difference(theirs.network, alone[0].network) < 1e-5
    assert 1e-3 < difference(full[0].network, both[0].network) < 0.1 > difference(alone[0].network, both[0].network)
    for ours in (alone[0], both[0]):
        assert ours.pruned_train.loss == full[0].pruned_train.loss and ours.final_test.loss != full[0].final_test.loss
        assert ours.final_test.loss == pytest.approx(evaluate(ours.network, DATA.test).loss, rel=1e-6)


def test_stacked_networks_compute_products_in_bfloat16_and_normalise_in_float32():
    seen = []

    def forward(x, weight, vector):
        y = functional.conv2d(x, weight)
        z = functional.batch_norm(y, None, None, vector, vector, training=True)
        seen.extend([y.dtype, z.dtype])
        return z

    with bfloat16(torch.device("cpu"), stacked=True):
        torch.func.vmap(forward)(torch.ones(2, 4, 3, 3, 3), torch.ones(2, 5, 3, 1, 1), torch.ones(2, 5))
    assert seen == [torch.bfloat16, torch.float32]
