"""A dry run: what would be done and what it would cost; nothing is."""

import itertools
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from quick import QUICK
from torch import nn

from oraclecheck.command import rehearsal
from oraclecheck.multimodal.questions import Questions

SWEEP = ("-m", *QUICK, "logger=none", "combo=range(3)", "repeat=0,1")


def test_dry_run_before_the_first_run_measures_a_step_and_starts_nothing(command):
    code, out, err = command(*SWEEP, "pruning.ratio={conv1: 0.5},{conv2: 0.5}", "dry_run=true")
    assert code == 0, err
    assert len(re.findall(r"lenet5_mini-digits-conv\d_0.5 +6 +0 +6 .+\(measured\)", out)) == 2
    assert "with 1 worker; 1 dense network to train; disk 0.0 MB; memory about" in out
    assert not list(Path("multirun/dense").glob("*.pt"))
    assert not list(Path("multirun").glob("lenet*")) and not Path("multirun/.asked").exists()


def test_dry_run_afterwards_goes_by_what_is_on_record(command):
    assert command(*SWEEP)[0] == 0
    code, out, _ = command(*SWEEP, "dry_run=true", "combo=range(10)")
    assert code == 0 and re.search(r"lenet5_mini-digits-conv1_0.5-\w{8} +20 +6 +14 +\d+ s +", out)
    assert "0 dense networks to train" in out


def test_studies_whose_dense_networks_are_not_there_are_told_apart(command):
    code, out, _ = command(*SWEEP, "study=mine", "pretrain.seed=0,1", "dry_run=true")
    assert code == 0 and re.findall(r"mine, pretrain.seed=(\d) +6 +0 +6", out) == ["0", "1"]


def test_dry_run_of_one_study_needs_no_sweep(command):
    code, out, _ = command(*QUICK, "dry_run=true")
    assert code == 0 and "nothing was started" in out


def test_network_whose_step_takes_long_is_shown_fewer_images(command, monkeypatch):
    """What a whole batch needs of memory beyond these is told all the same."""

    def memory(out):
        return float(re.search(r"memory about ([\d.]+) GB", out)[1])

    code, before, err = command(*QUICK, "retrain.batch_size=120", "dry_run=true")
    assert code == 0, err
    monkeypatch.setattr(rehearsal, "LONGEST", 0.0)
    monkeypatch.setattr(rehearsal, "_kept_for_backward", lambda network, step: step() or 8 * 10**8)
    code, after, err = command(*QUICK, "retrain.batch_size=120", "dry_run=true")
    assert code == 0, err
    assert memory(after) - memory(before) >= 11  # 112 images of 120, at a tenth of a GB


def test_steps_of_trainings_that_differ_in_length_and_rates_alone_are_timed_once(command, monkeypatch):
    timed, time_steps = [], rehearsal._timed

    def count(network, data, recipe):
        timed.append((network, recipe.epochs))
        return time_steps(network, data, recipe)

    monkeypatch.setattr(rehearsal, "_timed", count)
    code, out, err = command(*SWEEP, "retrain.epochs=1,400", "retrain.lr='0: 1e-2','0: 1e-3'", "dry_run=true")
    assert code == 0, err
    assert len(timed) == 2  # the pruned network, and the dense one, which all four studies share
    durations = re.findall(r" 6 +0 +6 +(\d+ \w+)", out)
    assert len(durations) == 4 and durations[0] == durations[1] and durations[2] == durations[3] != durations[0]


def test_activations_kept_for_backward_are_counted():
    network = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
    images = torch.zeros(4, 3)
    kept = rehearsal._kept_for_backward(network, lambda: network(images).sum().backward())
    assert kept == 4 * (4 * 3 + 4 * 5)  # float32: the input, and what ReLU gives


@pytest.fixture
def ticks(monkeypatch):
    """A clock that moves on whenever it is looked at; two seconds are as many ticks."""
    count = itertools.count()
    monkeypatch.setattr(rehearsal, "time", SimpleNamespace(perf_counter=lambda: float(next(count))))


def test_what_smaller_batches_leave_over_is_not_timed(ticks, monkeypatch):
    monkeypatch.setattr(rehearsal, "LONGEST", 1.0)  # for eight images
    monkeypatch.setattr(rehearsal, "STEPS", 100)
    images, labels, seen = torch.zeros(17, 3), torch.zeros(17), []
    _, shown = rehearsal._per_image(
        lambda batch: seen.append(len(batch[1])),
        lambda size: zip(images.split(size), labels.split(size), strict=True),
        16,
    )
    assert (seen, shown) == ([8, 8, 8], 8)


def test_conversations_are_counted_and_not_the_tokens_of_their_answers(ticks):
    tokens, nothing = torch.zeros(8, 30, dtype=torch.int64), torch.zeros(40, dtype=torch.int64)
    batch = Questions(tokens, tokens, None, nothing, nothing), nothing
    assert rehearsal._per_image(lambda batch: None, lambda size: [batch] * 3, 8) == (1 / 8, 8)
