"""kill -9 in a study of a language model, then the same command: every run once, as without the kill."""

import json
import os
import signal
import sys

import pytest
from forks import FORKS

from faults.sitecustomize import install
from oraclecheck.cli import main

CLOCK = ("started_at", "duration_")
KEPT = ("trainer.keep_networks=true",)


def _run(arguments, kill):
    os.setpgrp()
    if kill:
        install(*kill)
    sys.exit(main(arguments))


def in_a_process(*arguments, kill=None) -> int:
    process = FORKS.Process(target=_run, args=(arguments, kill))
    process.start()
    process.join()
    return process.exitcode


@pytest.mark.slow
@pytest.mark.parametrize("instant", [("epoch", 3), ("record-rename", 2), ("record-renamed", 1)])
def test_a_killed_sweep_is_completed_with_whole_networks(instant, words, swept, tmp_path):
    sweep = ("-m", *words, f"paths.out={tmp_path}", "combo=0,1", "repeat=0", *KEPT)
    assert in_a_process(*sweep, kill=(*instant, "self")) == -signal.SIGKILL
    (study,) = tmp_path.glob("tinyllava-*")
    done = [path for path in study.glob("*/*/record.json")]
    assert len(done) == 1
    before = done[0].stat().st_mtime_ns
    assert in_a_process(*sweep) == 0
    assert done[0].stat().st_mtime_ns == before  # what was done was not done again
    for i in range(2):
        ours, undisturbed = (json.loads((each / f"{i}/0/record.json").read_text()) for each in (study, swept))
        different = {name for name in ours if ours[name] != undisturbed.get(name)}
        assert all(name.startswith(CLOCK) for name in different), different
        assert (study / str(i) / "0" / "network" / "model.safetensors").is_file()
    assert not list(tmp_path.rglob("*.tmp"))
