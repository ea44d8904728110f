"""The pruning callback and the history, in real Lightning fits on a few images."""

import copy
import math
from dataclasses import replace

import lightning as L
import pytest
import torch
from torch.nn.functional import cross_entropy

from oraclecheck.data.images import ImageData, ImageSet, ShuffledBatches
from oraclecheck.engines import lightning
from oraclecheck.engines.callbacks import History, Pruning
from oraclecheck.engines.engine import Run
from oraclecheck.engines.evaluation import evaluate
from oraclecheck.engines.recipe import Recipe
from oraclecheck.engines.trainer import TrainerSettings, fit
from oraclecheck.networks.lenet import LeNet5Mini
from oraclecheck.pruning.structured import prune

RECIPE = Recipe(epochs=3, batch_size=16, schedule=((0, 0.05), (2, 0.005)), momentum=0.9, weight_decay=1e-4)
CPU = TrainerSettings(accelerator="cpu")
REMOVED = {"conv1": (0, 3, 5), "conv2": (1, 2)}


def some_images(n: int, seed: int) -> ImageSet:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (n, 1, 32, 32), dtype=torch.uint8, generator=generator)
    return ImageSet(images, torch.randint(0, 10, (n,), generator=generator), (0.5,), (0.25,))


DATA = ImageData(some_images(70, 0), some_images(30, 1))


def dense() -> LeNet5Mini:
    torch.manual_seed(0)
    return LeNet5Mini()


def prune_it(network):
    return prune_as_said(network, REMOVED)


def retrain(dense, data, recipe, seed, trainer):
    (result,) = lightning.retrain([Run(REMOVED, seed)], dense, prune_as_said, data, recipe, trainer)
    return result


def prune_as_said(network, removed):
    return prune(network, removed, torch.zeros(2, 1, 32, 32))


class Spy(L.Callback):
    """Looks at what Lightning holds when the first step is about to be taken."""

    def on_train_start(self, trainer, pl_module):
        self.held = [parameter for group in trainer.optimizers[0].param_groups for parameter in group["params"]]
        self.parameters = list(pl_module.parameters())
        self.shape = tuple(pl_module.network.conv2.weight.shape)


def test_optimizer_holds_exactly_the_pruned_networks_parameters():
    spy = Spy()
    network = fit(dense(), DATA.train, RECIPE, 0, CPU, [Pruning(prune_as_said, REMOVED, DATA), spy])
    assert [id(p) for p in spy.held] == [id(p) for p in spy.parameters] == [id(p) for p in network.parameters()]
    assert spy.shape == (8, 7, 5, 5)


def test_pruning_happens_once_and_only_in_a_fit():
    calls = []
    callback = Pruning(lambda *dense: calls.append(1) or prune_as_said(*dense), REMOVED, DATA)
    for stage in ("validate", "test", "fit", "fit"):
        module = L.LightningModule() if stage != "fit" else None
        if module is not None:
            callback.setup(None, module, stage)
        else:
            fit(dense(), DATA.train, replace(RECIPE, epochs=1, schedule=((0, 0.1),)), 0, CPU, [callback])
    assert len(calls) == 1


def test_retraining_equals_a_bare_pytorch_loop_bit_for_bit():
    """An independent loop: same order of images, same arithmetic, no Lightning."""
    network = prune_it(dense())
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    generator = torch.Generator().manual_seed(7)
    mean_losses = []
    for epoch in range(3):
        optimizer.param_groups[0]["lr"] = 0.05 if epoch < 2 else 0.005
        losses = []
        for indices in torch.randperm(70, generator=generator).split(16):
            images = (DATA.train.images[indices].float() / 255 - 0.5) / 0.25
            loss = cross_entropy(network(images), DATA.train.labels[indices])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        mean_losses.append(sum(losses) / len(losses))
    result = retrain(dense(), DATA, RECIPE, 7, CPU)
    assert all(torch.equal(a, b) for a, b in zip(result.network.parameters(), network.parameters(), strict=True))
    assert [entry["train_loss"] for entry in result.history] == pytest.approx(mean_losses, rel=1e-6)
    assert [entry["lr"] for entry in result.history] == [0.05, 0.05, 0.005]


def test_metrics_are_of_the_whole_sets_before_and_after():
    result = retrain(dense(), DATA, RECIPE, 0, CPU)
    for measured, network, images in (
        (result.pruned_train, prune_it(dense()), DATA.train),
        (result.pruned_test, prune_it(dense()), DATA.test),
        (result.final_train, result.network, DATA.train),
        (result.final_test, result.network, DATA.test),
    ):
        logits = network.eval()((images.images.float() / 255 - 0.5) / 0.25).double()
        assert measured.loss == pytest.approx(cross_entropy(logits, images.labels).item(), rel=1e-6)
        assert measured.accuracy == (logits.argmax(1) == images.labels).double().mean().item()
        assert torch.equal(measured.correct, logits.argmax(1) == images.labels)
    assert result.history[-1]["test_loss"] == result.final_test.loss
    assert len({entry["test_loss"] for entry in result.history}) == 3


def test_seed_decides_the_retraining_and_matters():
    same, again, other = (retrain(dense(), DATA, RECIPE, seed, CPU) for seed in (1, 1, 2))
    assert same.final_test.loss == again.final_test.loss != other.final_test.loss
    assert same.pruned_train.loss == other.pruned_train.loss


def test_dense_network_is_not_changed_by_retraining():
    network = dense()
    before = copy.deepcopy(network.state_dict())
    retrain(network, DATA, RECIPE, 0, CPU)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_infinite_loss_ends_the_fit_as_diverged():
    recipe = replace(RECIPE, schedule=((0, 1e30),))
    result = retrain(dense(), DATA, recipe, 0, CPU)
    assert result.diverged and len(result.history) == 1
    assert not math.isfinite(result.history[0]["train_loss"])


def test_finite_loss_is_not_diverged():
    assert not retrain(dense(), DATA, RECIPE, 0, CPU).diverged


def test_evaluation_stays_in_float32_when_training_does_not():
    full, mixed = (retrain(dense(), DATA, RECIPE, 0, TrainerSettings("cpu", p)) for p in ("32-true", "bf16-mixed"))
    assert mixed.pruned_train.loss == full.pruned_train.loss
    assert mixed.final_test.loss == evaluate(mixed.network, DATA.test).loss != full.final_test.loss


def test_evaluation_leaves_modes_alone():
    network = dense().train()
    network.conv2.eval()
    evaluate(network, DATA.test)
    assert network.training and not network.conv2.training


def test_history_reports_each_epoch_as_it_ends():
    seen = []
    fit(dense(), DATA.train, RECIPE, 0, CPU, [History(DATA, lambda entry: seen.append(entry["epoch"]))])
    assert seen == [0, 1, 2]


def test_shuffled_batches_visit_every_image_once_an_epoch_in_a_new_order():
    batches = ShuffledBatches(replace(DATA.train, labels=torch.arange(70)), 16, seed=0)
    epochs = [[int(label) for _, labels in batches for label in labels] for _ in range(2)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(70))] * 2
    assert epochs[0] != epochs[1] and len(batches) == 5


def test_channels_last_changes_layout_not_values():
    plain, last = DATA.train, replace(DATA.train, channels_last=True)
    network = dense()
    assert evaluate(network, last).loss == pytest.approx(evaluate(network, plain).loss, rel=1e-5)
    wide = ImageSet(
        torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.zeros(2).long(), (0.0,) * 3, (1.0,) * 3, channels_last=True
    )
    assert next(wide.batches(2))[0].is_contiguous(memory_format=torch.channels_last)


def test_run_that_raises_leaves_its_exception_in_its_place_and_others_go_on():
    """What an engine owes: as many results as runs, in their order, and the epochs of each told with its run."""
    runs, told = [Run(REMOVED, 1), Run({"conv1": (0, 99)}, 1), Run(REMOVED, 2)], []

    def tell(run, entry):
        told.append((run.seed, entry.get("epoch", "pruned")))

    results = list(lightning.retrain(runs, dense(), prune_as_said, DATA, RECIPE, CPU, tell))
    assert isinstance(results[1], ValueError) and "conv1" in str(results[1])
    alone = [retrain(dense(), DATA, RECIPE, seed, CPU).final_test.loss for seed in (1, 2)]
    assert [results[0].final_test.loss, results[2].final_test.loss] == alone
    assert told == [(seed, what) for seed in (1, 2) for what in ("pruned", 0, 1, 2)]
