"""A training of the dense network that was killed goes on, and ends with the bits of one that was not."""

import os
import random
import tempfile
from dataclasses import replace

import pytest
import torch
from torch import nn

from engines.test_callbacks import DATA
from oraclecheck.data.augmentation import Augmentation
from oraclecheck.data.images import ImageData
from oraclecheck.engines import resuming
from oraclecheck.engines.callbacks import History
from oraclecheck.engines.recipe import Recipe
from oraclecheck.engines.trainer import TrainerSettings
from oraclecheck.pipelines import training

AUGMENTED = ImageData(replace(DATA.train, augmentation=Augmentation(crop_padding=4, flip=True)), DATA.test)
CPU = TrainerSettings(accelerator="cpu")
SGD = Recipe(5, 16, ((0, 0.05), (3, 0.005)), 0.9, 1e-4)
ADAMW = replace(SGD, schedule=((0, 1e-3),), optimizer="adamw", decay="cosine", mixup=0.2, cutmix=1.0, gradient_clip=1.0)


class Drawing(nn.Module):
    """Draws from Python's generator while it trains."""

    def forward(self, images):
        return images * random.uniform(0.9, 1.1) if self.training else images


def network() -> nn.Module:
    torch.manual_seed(0)
    convolution = [nn.Conv2d(1, 4, 5, stride=4), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3), Drawing()]
    return nn.Sequential(*convolution, nn.Flatten(), nn.Linear(4 * 49, 10))


class Killed(BaseException):
    pass


def train(state, recipe, data, dies=(), epochs=(2, 5), kept=lambda epoch: True, again=True, look=None):
    """The networks kept by a training that dies when these epochs are over, each time, and is started again."""
    found, dies = {}, list(dies)

    def show(model, epochs):
        def told(entry):
            if look:
                look()
            if dies and entry["epoch"] + 1 == dies[0]:
                dies.pop(0)
                raise Killed

        return told

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "_progress", show)
        patch.setattr(resuming, "SECONDS", 0.0)
        patch.setattr(resuming, "WORTH", 0.0)
        while True:
            left = len(dies)
            try:
                training.train(network(), data, recipe, 7, CPU, "net", "test", epochs, found.__setitem__, state, kept)
                return found
            except Killed:
                if not again:
                    raise
                assert len(dies) < left


@pytest.mark.parametrize(("recipe", "data"), [(SGD, DATA), (SGD, AUGMENTED), (ADAMW, AUGMENTED)])
def test_killed_training_ends_with_the_same_bits(tmp_path, recipe, data, capsys):
    whole = train(None, recipe, data)
    random.seed(1)
    pieces = train(tmp_path / "state", recipe, data, dies=(2, 3, 5))
    assert "goes on after epoch 1 of 5" in capsys.readouterr().err  # the state is kept when an epoch has been told
    assert {epoch: found.hash for epoch, found in pieces.items()} == {e: found.hash for e, found in whole.items()}
    assert [pieces[epoch].history for epoch in (2, 5)] == [whole[epoch].history for epoch in (2, 5)]
    assert not list(tmp_path.iterdir())


def test_undisturbed_training_does_not_notice_that_its_state_is_kept(tmp_path):
    assert train(tmp_path / "state", SGD, DATA)[5].hash == train(None, SGD, DATA)[5].hash


def test_state_that_cannot_be_read_or_came_too_far_is_not_used(tmp_path, capsys):
    whole, state = train(None, SGD, DATA), tmp_path / "state"
    state.write_bytes(b"PK broken")
    assert train(state, SGD, DATA)[5].hash == whole[5].hash
    with pytest.raises(Killed):
        train(state, SGD, DATA, dies=(4,), epochs=(5,), again=False)
    assert state.is_file()
    again = train(state, SGD, DATA, kept=lambda epoch: False)  # the network of epoch 2 is wanted now, and is not there
    assert again[2].hash == whole[2].hash and "goes on" not in capsys.readouterr().err


def test_state_that_other_versions_kept_is_not_used(tmp_path, capsys):
    whole, state = train(None, SGD, DATA), tmp_path / "state"
    with pytest.raises(Killed):
        train(state, SGD, DATA, dies=(4,), again=False)
    kept = torch.load(state, weights_only=True)
    torch.save({**kept, "oraclecheck": {**kept["oraclecheck"], "versions": {"torch": "2.0"}}}, state)
    assert train(state, SGD, DATA)[5].hash == whole[5].hash and "goes on" not in capsys.readouterr().err


def test_state_that_does_not_fit_fails_once(tmp_path):
    whole, state = train(None, SGD, DATA), tmp_path / "state"
    with pytest.raises(Killed):
        train(state, SGD, DATA, dies=(4,), again=False)
    kept = torch.load(state, weights_only=True)
    del kept["oraclecheck"]["mixing"]
    torch.save(kept, state)
    with pytest.raises(KeyError, match="mixing"):
        train(state, SGD, DATA)
    assert train(state, SGD, DATA)[5].hash == whole[5].hash


def test_state_is_kept_in_its_own_folder_alone(tmp_path, monkeypatch, capsys):
    """Not by way of the folder for temporary files, where there may be less room."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    train(tmp_path / "state", SGD, DATA, dies=(4,))
    assert "goes on after epoch 3 of 5" in capsys.readouterr().err


def test_keeping_a_state_opens_no_gpu(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: pytest.fail("it opens all there are"))
    train(tmp_path / "state", SGD, DATA)


def test_state_is_forgotten_before_the_trained_network_is_measured(tmp_path, monkeypatch):
    def die(*_):
        raise Killed

    monkeypatch.setattr(History, "on_train_end", die)
    with pytest.raises(Killed):
        train(tmp_path / "state", SGD, DATA, again=False)
    assert not list(tmp_path.iterdir())


def test_state_that_cannot_be_kept_takes_no_room(tmp_path, monkeypatch):
    """On a full disk the network itself would not fit beside half a state."""

    def full(*paths):
        raise OSError(28, "No space left on device")

    seen = []
    monkeypatch.setattr(os, "replace", full)
    train(tmp_path / "state", SGD, DATA, look=lambda: seen.extend(tmp_path.iterdir()))
    assert not seen and not list(tmp_path.iterdir())
