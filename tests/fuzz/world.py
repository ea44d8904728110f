"""The world a command lives in while it is fuzzed: a folder of its own, and an eye on all that it does outside."""

import contextlib
import io
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from quick import QUICK

from hydra_plugins.oraclecheck_workers.sweeper import WorkersSweeper
from oraclecheck import cli, experiment, leases, sweep
from oraclecheck.data import loading
from oraclecheck.engines import lightning
from oraclecheck.engines.engine import Retraining
from oraclecheck.engines.evaluation import Evaluation
from oraclecheck.pipelines import dense, training
from oraclecheck.records import claims
from oraclecheck.waiting import waiting

SECONDS = 120  # of one command; one that takes longer waits for what will not come

OUT = ("multirun", "report")
"""Where commands may write: `paths.out` and `paths.cache` as they are by default, and a report's folder."""

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod"}
_OUTSIDE = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect"}


class _Eye:
    """Sees what this process does to files outside some folders, and whether it starts others or calls out."""

    def __init__(self) -> None:
        self.allowed: list[str] | None = None
        self.seen: list[str] = []

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.allowed is None:
            return
        if event in _OUTSIDE:
            self.seen.append(f"{event} {arguments}"[:300])
        elif event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING:
            self._look(event, arguments[0])
        elif event in _CHANGES:
            for path in arguments[: 2 if event in ("os.rename", "os.link") else 1]:
                if event != "os.mkdir" or not os.path.isdir(path):  # else nothing comes of it
                    self._look(event, path)

    def _look(self, event: str, path: Any) -> None:
        if isinstance(path, str | bytes | os.PathLike):
            whole = os.path.abspath(os.fsdecode(path))
            if not whole.startswith(("/dev/", *self.allowed)) and whole not in {a.rstrip("/") for a in self.allowed}:
                self.seen.append(f"{event} {whole}")


_EYE = _Eye()
_watching: list[bool] = []


def _prune_only(runs: Any, network: Any, prune: Any, data: Any, recipe: Any, trainer: Any, tell: Any) -> Iterator[Any]:
    """Retraining that costs nothing: the pruned network as it is."""
    evaluation = Evaluation(loss=0.5, accuracy=0.5, correct=torch.zeros(len(data.test), dtype=torch.bool))
    for run in runs:
        entries = [
            {"epoch": epoch, "lr": 0.1, "train_loss": 0.5, "test_loss": 0.5, "test_accuracy": 0.5}
            for epoch in range(recipe.epochs)
        ]
        seconds = {"prune": 0.0, "retrain": 0.0, "total": 0.0}
        yield Retraining(prune(network, run.removed), *[evaluation] * 4, entries, False, seconds)


@contextlib.contextmanager
def fuzzing() -> Iterator[None]:
    """While commands are fuzzed: nothing is retrained, drawn or packed, no process is started, and leases are short."""
    if not _watching:
        sys.addaudithook(_EYE)  # for good
        _watching.append(True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lightning, "retrain", _prune_only)
        patch.setattr(experiment, "POLL_SECONDS", 0.01)
        patch.setattr(WorkersSweeper, "_launch", lambda self, worker, count: [_done(worker)])
        patch.setattr(leases, "SECONDS", 0.4)
        patch.setattr(leases, "STILLBORN_SECONDS", 0.1)
        patch.setattr(claims, "SECONDS", 0.4)
        patch.setattr(claims, "LOOK_SECONDS", 0.01)
        patch.setattr(waiting, "patience", 1e9)
        patch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **options: None)
        patch.setattr("oraclecheck.report.page.packed", lambda: "")
        patch.setenv("WANDB_MODE", "disabled")
        patch.delenv("ORACLECHECK_CACHE", raising=False)
        yield


def _done(worker: Any) -> Any:
    """Hydra's account of a worker that was started here."""
    returned = sweep.JobReturn(status=sweep.JobStatus.COMPLETED)
    returned.return_value = worker({})
    return returned


@contextlib.contextmanager
def nothing_runs() -> Iterator[None]:
    """Whoever is started has nothing to do."""

    class Idle:
        def __init__(self, *_: Any) -> None:
            pass

        def __call__(self, _: Any) -> list[str]:
            return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep, "Worker", Idle)
        yield


@contextlib.contextmanager
def a_folder(base: Path | None = None) -> Iterator[Path]:
    """A folder to work in, gone afterwards; `base` is copied to its `multirun`."""
    before = Path.cwd()
    with TemporaryDirectory() as parent:
        (folder := Path(parent) / "here").mkdir()
        os.chdir(folder)
        try:
            if base is not None:
                shutil.copytree(base, "multirun")
            yield folder
        finally:
            os.chdir(before)


def call(main: Callable[[list[str]], int], arguments: list[str], also: tuple[str, ...] = ()) -> tuple[int, str, str]:
    """Run a command in this process; gives its exit code, stdout and stderr.

    Args:
        main: Its entry.
        arguments: Of its command line.
        also: Other folders that it may write to.

    Raises:
        AssertionError: If it shows a traceback, ends with another exit code than 0, 1 or 2, says that something is
            wrong in more than a sentence, or touches what lies outside its folders.
    """
    out, err = io.StringIO(), io.StringIO()
    _EYE.allowed = [os.path.abspath(folder) + "/" for folder in (*OUT, *also)]
    _EYE.seen.clear()
    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(SECONDS)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = main(arguments)
            except SystemExit as exit:  # argparse
                code = exit.code
            except _TooLongError:
                code = f"more than {SECONDS} s gone by"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGTERM, before)
        seen, _EYE.allowed = list(_EYE.seen), None
        for remembers in (loading.identity, loading.train_labels, loading.train_eval_indices, dense._load_once):
            remembers.cache_clear()
        dense._hashes.clear()
        training._failures.clear()
        training._lease.cache_clear()
    said = err.getvalue()
    assert code in (0, 1, 2), f"{arguments} ended with {code}"
    assert "Traceback" not in said + out.getvalue(), f"{arguments}: {said}"
    assert "shows where" not in said, f"{arguments}: {said}"  # a defect of ours
    assert not seen, f"{arguments}: {seen}"
    return code, out.getvalue(), said


def _give_up(*_: Any) -> None:
    raise _TooLongError


class _TooLongError(BaseException):
    """A command waits for what will not come; no handler of its own may catch it."""


SWEEP = ["-m", *QUICK, "combo=range(3)", "logger=none"]


def make_base(folder: Path) -> Path:
    """A study of three runs as a sweep leaves it; the folder of studies."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        code, _, err = call(cli.main, SWEEP)
        assert code == 0, err
    finally:
        os.chdir(before)
    return folder / "multirun"
