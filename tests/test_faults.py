"""Sweeps that are killed, starved and cut short, then the same command again: a few trials of each kind."""

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest

from faults.__main__ import can_mount
from faults.kinds import KINDS, small_disk
from faults.sweeps import Undisturbed

SLOW = ("joblib", "Ray", "another host", "twice", "clock", "both of", "overlapping", "a disk")  # seconds to minutes


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return Undisturbed.of(tmp_path_factory.mktemp("undisturbed"))


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if any(word in name for word in SLOW) else []) for name in KINDS],
)
def test_nothing_is_lost_doubled_different_or_left_over(name, undisturbed):
    _, trial = KINDS[name]
    if "Ray" in name:
        pytest.importorskip("ray", reason="hydra/launcher=ray needs pip install 'oraclecheck[ray]'")
    with TemporaryDirectory() as parent:  # which others may enter, unlike pytest's own
        if trial is small_disk and not can_mount(Path(parent)):
            pytest.skip("nothing can be mounted here")
        (folder := Path(parent) / "trial").mkdir()
        assert trial(Random(f"short {name}"), folder, undisturbed) == (0, 0, 0, 0)
