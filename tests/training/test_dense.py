"""The dense network: trained once, by one of many processes; a failure is not repeated."""

import multiprocessing
import os
import time
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from test_callbacks import DATA

from oraclecheck.networks.lenet import LeNet5Mini
from oraclecheck.training import dense
from oraclecheck.training.dense import load_checkpoint, train_once
from oraclecheck.training.recipe import Recipe
from oraclecheck.training.trainer import TrainerSettings

CPU = TrainerSettings(accelerator="cpu")


def train(path: Path, data=lambda: DATA, rate: float = 0.05, seed: int = 0):
    return train_once(path, LeNet5Mini, data, Recipe(2, 16, ((0, rate),), 0.9, 0), seed, CPU, "lenet5_mini")


def _train_and_tell(folder: str) -> None:
    def data():
        Path(folder, f"trained-by-{os.getpid()}").touch()
        return DATA

    train(Path(folder, "dense.pt"), data)


def test_dense_network_is_trained_by_one_of_many_processes(tmp_path):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    workers = [context.Process(target=_train_and_tell, args=(str(tmp_path),)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(worker.exitcode == 0 for worker in workers)
    assert len(list(tmp_path.glob("trained-by-*"))) == 1


def _train_without_lock(folder: str, seed: int) -> None:
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

    dense.FileLock = lambda _: nullcontext()
    dense._progress = progress
    found = train(Path(folder, "dense.pt"), data, seed=seed).hash
    Path(folder, f"told-{seed}").write_text(found)


def test_dense_network_is_never_replaced_where_locks_do_not_hold(tmp_path):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    workers = [context.Process(target=_train_without_lock, args=(str(tmp_path), seed)) for seed in (0, 1)]
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
    monkeypatch.setattr(dense, "_failures", {})
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
