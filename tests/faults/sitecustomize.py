"""Kills this process, or the whole sweep, at an instant that the environment names.

ORACLECHECK_KILL is `<instant>:<count>:<victim>`: the instant's count-th occurrence kills "self" or "sweep" (the process
group). ORACLECHECK_JOURNAL names the file in which joblib's and Ray's workers keep their journal. Python imports this
module at its start wherever this folder is on PYTHONPATH, these workers included.
"""

import os
import signal
import threading
from pathlib import Path


def install(instant: str, count: int, victim: str) -> None:
    """Arrange the kill.

    Args:
        instant: "dense-rename", "record-rename", "record-renamed" (just before and after files get their names),
            "dense-epoch", "epoch", "stacked-epoch" (while training), "wandb-finish", or "time" (count is in tenths of a
            second).
        count: Which occurrence, from 1.
        victim: "self" or "sweep".
    """
    seen = 0

    def happen() -> None:
        nonlocal seen
        seen += 1
        if seen == count:
            kill(victim)

    if instant == "time":
        threading.Timer(count / 10, kill, (victim,)).start()
    elif instant in ("dense-rename", "record-rename", "record-renamed"):
        name = "link" if instant == "dense-rename" else "replace"  # the dense network is never replaced
        suffix, give_name = (".pt" if instant == "dense-rename" else "record.json"), getattr(os, name)

        def name_and_happen(source, target, **arguments):
            mine = str(target).endswith(suffix) and ("dense" in str(target)) == (suffix == ".pt")
            if mine and instant != "record-renamed":
                happen()
            give_name(source, target, **arguments)
            if mine and instant == "record-renamed":
                happen()

        setattr(os, name, name_and_happen)
    else:
        before(*PLACES[instant], happen)


PLACES = {
    "dense-epoch": ("oraclecheck.pipelines.training", "_progress"),
    "epoch": ("oraclecheck.engines.callbacks", "History.on_train_epoch_end"),
    "stacked-epoch": ("oraclecheck.engines.stacked.step", "Step.epoch"),
    "wandb-finish": ("wandb", "Run.finish"),
}


def before(module: str, name: str, happen) -> None:
    """Call `happen` before each call of a function of a module that can be imported already."""
    import importlib

    owner = importlib.import_module(module)
    *classes, attribute = name.split(".")
    for part in classes:
        owner = getattr(owner, part)
    original = getattr(owner, attribute)

    def wrapped(*arguments, **keywords):
        happen()
        return original(*arguments, **keywords)

    setattr(owner, attribute, wrapped)


def kill(victim: str) -> None:
    """Kill without any chance to clean up."""
    os.kill(os.getpid(), signal.SIGKILL) if victim == "self" else os.killpg(0, signal.SIGKILL)


if "ORACLECHECK_KILL" in os.environ and "loky" in Path("/proc/self/cmdline").read_text():
    _instant, _count, _victim = os.environ["ORACLECHECK_KILL"].split(":")
    install(_instant, int(_count), _victim)

_started_as = Path("/proc/self/cmdline").read_text()
if "ORACLECHECK_JOURNAL" in os.environ and ("LokyProcess" in _started_as or "default_worker.py" in _started_as):
    from faults import journal

    journal.install(Path(os.environ["ORACLECHECK_JOURNAL"]))
