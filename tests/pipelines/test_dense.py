"""The dense network: trained once, by one of many processes; a failure is not repeated."""

import os
import time
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from forks import FORKS
from torch import nn

from engines.test_callbacks import DATA
from oraclecheck.engines.recipe import Recipe
from oraclecheck.engines.trainer import TrainerSettings
from oraclecheck.networks.lenet import LeNet5Mini
from oraclecheck.pipelines import training
from oraclecheck.pipelines.checkpoint import load_checkpoint
from oraclecheck.pipelines.training import train_once

CPU = TrainerSettings(accelerator="cpu")


def train(path: Path, data=lambda: DATA, rate: float = 0.05, seed: int = 0):
    """The network at a path, trained if it is not there; its data are asked for only then."""

    def trained():
        torch.manual_seed(seed)
        recipe = Recipe(2, 16, ((0, rate),), 0.9, 0)
        found = {}
        training.train(LeNet5Mini(), data(), recipe, seed, CPU, "lenet5_mini", "test set", [2], found.__setitem__)
        return found[2]

    while not train_once(path, trained, {"model": "lenet5_mini"}):
        time.sleep(0.01)
    return load_checkpoint(path, LeNet5Mini(), "k", "m")


def _train_and_tell(folder: str) -> None:
    def data():
        Path(folder, f"trained-by-{os.getpid()}").touch()
        return DATA

    train(Path(folder, "dense.pt"), data)


def test_dense_network_is_trained_by_one_of_many_processes(tmp_path):
    workers = [FORKS.Process(target=_train_and_tell, args=(str(tmp_path),)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(worker.exitcode == 0 for worker in workers)
    assert len(list(tmp_path.glob("trained-by-*"))) == 1


class NoLease:
    """What a process that was cut off from the folder believes it has."""

    def __init__(self, _):
        self.take, self.release = lambda: True, lambda: None


def _train_without_lease(folder: str, seed: int) -> None:
    """Train while the other does; seed 1 is done only after seed 0 has said which network it uses."""

    def wait_for(name: str) -> None:
        deadline = time.monotonic() + 60
        while not Path(folder, name).exists():
            assert time.monotonic() < deadline, name
            time.sleep(0.01)

    def data():
        Path(folder, f"trains-{seed}").touch()
        wait_for(f"trains-{1 - seed}")
        return DATA

    def progress(*_):
        return (lambda _: None) if seed == 0 else (lambda entry: entry["epoch"] == 1 and wait_for("told-0"))

    training.Lease = NoLease
    training._progress = progress
    found = train(Path(folder, "dense.pt"), data, seed=seed).hash
    Path(folder, f"told-{seed}").write_text(found)


def test_dense_network_is_never_replaced_where_a_trainer_was_cut_off(tmp_path):
    workers = [FORKS.Process(target=_train_without_lease, args=(str(tmp_path), seed)) for seed in (0, 1)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(worker.exitcode == 0 for worker in workers)
    alone = train(tmp_path / "alone.pt", seed=0).hash
    assert {Path(tmp_path, f"told-{seed}").read_text() for seed in (0, 1)} == {alone}
    assert load_checkpoint(tmp_path / "dense.pt", LeNet5Mini(), "k", "m").hash == alone
    assert not list(tmp_path.glob(".*.tmp"))


def test_dense_network_follows_from_its_seed(tmp_path):
    hashes = [train(tmp_path / f"{i}.pt", seed=seed).hash for i, seed in enumerate((0, 0, 1))]
    assert hashes[0] == hashes[1] != hashes[2]


def test_dense_network_is_that_of_the_last_epoch_and_is_found_again(tmp_path):
    first = train(tmp_path / "dense.pt")
    again = train(tmp_path / "dense.pt", data=lambda: pytest.fail("trained twice"))
    assert first.hash == again.hash and [entry["epoch"] for entry in again.history] == [0, 1]


def test_failed_training_is_not_repeated(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "_failures", {})
    with pytest.raises(ValueError, match=r"pretrain\.lr must let the dense lenet5_mini learn"):
        train(tmp_path / "dense.pt", rate=1e30)
    with pytest.raises(ValueError, match=r"pretrain\.lr must let"):
        train(tmp_path / "dense.pt", data=lambda: pytest.fail("tried again"))


def test_hash_is_of_the_tensors_not_of_the_file(tmp_path):
    state = LeNet5Mini().state_dict()
    torch.save(state, tmp_path / "bare.pt")
    torch.save({"state_dict": dict(reversed(state.items())), "note": "x"}, tmp_path / "wrapped.pt")
    bare, wrapped = (load_checkpoint(tmp_path / f"{n}.pt", LeNet5Mini(), "k", "m").hash for n in ("bare", "wrapped"))
    assert bare == wrapped
    state["conv1.bias"][0] += 1e-3
    torch.save(state, tmp_path / "other.pt")
    assert load_checkpoint(tmp_path / "other.pt", LeNet5Mini(), "k", "m").hash != bare


@pytest.mark.parametrize("prefix", ["module.", "network.", "_orig_mod.", "network._orig_mod.module.", "a.b."])
def test_prefix_that_all_names_share_is_taken_off(tmp_path, prefix):
    state = LeNet5Mini().state_dict()
    torch.save(state, tmp_path / "bare.pt")
    torch.save({"state_dict": {prefix + name: tensor for name, tensor in state.items()}}, tmp_path / "wrapped.pt")
    bare, wrapped = (load_checkpoint(tmp_path / f"{n}.pt", LeNet5Mini(), "k", "m") for n in ("bare", "wrapped"))
    assert wrapped.state.keys() == state.keys() and bare.hash == wrapped.hash


def test_checkpoints_of_wrapped_networks_load(tmp_path):
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    torch.save(nn.DataParallel(network).state_dict(), tmp_path / "parallel.pt")
    torch.save(torch.compile(network).state_dict(), tmp_path / "compiled.pt")
    torch.save(nn.Sequential(torch.compile(network[0]), network[1]).state_dict(), tmp_path / "part.pt")
    for name in ("parallel", "compiled", "part"):
        loaded = load_checkpoint(tmp_path / f"{name}.pt", network, "k", "m").state
        assert all(torch.equal(tensor, network.state_dict()[name]) for name, tensor in loaded.items())


def test_prefix_that_is_the_networks_own_stays(tmp_path):
    network = nn.Sequential(OrderedDict(module=nn.Linear(2, 2)))
    torch.save({"module.module.weight": torch.ones(2, 2), "module.module.bias": torch.zeros(2)}, tmp_path / "twice.pt")
    torch.save({"module.weight": torch.ones(2, 2), "module.bias": torch.zeros(2)}, tmp_path / "once.pt")
    for name in ("twice", "once"):
        state = load_checkpoint(tmp_path / f"{name}.pt", network, "k", "m").state
        assert state.keys() == {"module.weight", "module.bias"}


def _with(weight: torch.Tensor) -> dict[str, torch.Tensor]:
    return {**LeNet5Mini().state_dict(), "conv1.weight": weight}


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch's quantised and sparse tensors are on their way out
@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (_with(torch.full((10, 1, 5, 5), torch.nan)), "conv1.weight has values that are NaN or infinite"),
        (_with(torch.full((10, 1, 5, 5), torch.inf)), "conv1.weight has values that are NaN or infinite"),
        (_with(torch.full((10, 1, 5, 5), 1e300, dtype=torch.float64)), "conv1.weight has values that are NaN or"),
        (_with(torch.empty(10, 1, 5, 5, device="meta")), "conv1.weight has no values"),
        (_with(torch.ones(10, 1, 5, 5).to_sparse()), "conv1.weight is sparse"),
        (_with(torch.ones(10, 1, 5, 5, dtype=torch.int64)), "conv1.weight is of type torch.int64 instead of torch.flo"),
        (_with(torch.ones(10, 1, 5, 5) * 1j), "conv1.weight is of type torch.complex64"),
        (
            {**{f"network.{name}": torch.ones(1) for name in LeNet5Mini().state_dict()}, "loss.weight": torch.ones(1)},
            "conv1.weight is called network.conv1.weight: save only the tensors under 'network.'",
        ),
        ({"model": LeNet5Mini().state_dict()}, "which holds one under 'model': save that alone"),
        ({1: torch.ones(1)}, "must hold a state dict of m"),
        ({**LeNet5Mini().state_dict(), "epoch": 3}, "must hold a state dict of m"),
        ({}, "conv1.weight is missing"),
    ],
)
def test_checkpoint_that_is_no_dense_network_is_told_why(tmp_path, state, reason):
    torch.save(state, tmp_path / "it.pt")
    with pytest.raises(ValueError, match=r"^k must hold a state dict of m; got .*it\.pt") as error:
        load_checkpoint(tmp_path / "it.pt", LeNet5Mini(), "k", "m")
    assert reason in str(error.value)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_quantised_checkpoint_is_refused(tmp_path):
    weight = torch.quantize_per_tensor(torch.ones(10, 1, 5, 5), 0.1, 0, torch.qint8)
    torch.save(_with(weight), tmp_path / "it.pt")
    with pytest.raises(ValueError, match=r"where conv1\.weight is quantised"):
        load_checkpoint(tmp_path / "it.pt", LeNet5Mini(), "k", "m")
