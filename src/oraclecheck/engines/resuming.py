"""Fits that go on where they were killed."""

import random
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

import oraclecheck
from oraclecheck.engines.callbacks import History
from oraclecheck.files import remove_remains, write_atomically

SECONDS = 30.0
WORTH = 20  # times as long as keeping a state takes, that long it is not kept again


class Resuming(L.Callback):
    """Keeps the whole state of a fit at the end of an epoch, every so many seconds, and takes it up again.

    The fit then ends with the very bits that it would have ended with. Only one process may keep a state at `path`.

    Args:
        path: Where the state is kept; `resumable` says whether there is one that `fit` can begin with.
        history: That of the fit, which goes on too.
    """

    def __init__(self, path: Path, history: History) -> None:
        self.path, self.history = path, history
        self._due = time.monotonic() + SECONDS
        self._random: dict[str, Any] | None = None

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Add what Lightning does not know: the epochs behind, and the state of everything random."""
        numpy: Any = np.random.get_state()  # noqa: NPY002  networks and data sets may use the global one
        checkpoint["oraclecheck"] = {
            "versions": _versions(),
            "epochs": self.history.epochs,
            "order": _loader(trainer).generator.get_state(),
            "mixing": pl_module.mixing.generator.get_state(),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],  # else it would be
            "python": random.getstate(),
            "numpy": (numpy[0], numpy[1].tolist(), *numpy[2:]),
        }

    def on_load_checkpoint(self, trainer: L.Trainer, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Remember it until the fit starts: what comes before draws too."""
        self._random = checkpoint["oraclecheck"]
        self.history.epochs[:] = self._random["epochs"]

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Draw as the fit that was killed would have drawn."""
        if self._random is None:
            return
        kept, self._random = self._random, None
        _loader(trainer).generator.set_state(kept["order"])
        pl_module.mixing.generator.set_state(kept["mixing"])
        torch.set_rng_state(kept["torch"])
        if len(kept["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(kept["cuda"])
        random.setstate(kept["python"])
        np.random.set_state(kept["numpy"])  # noqa: NPY002

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Keep the state, if it is time and the fit goes on."""
        if trainer.should_stop or time.monotonic() < self._due:
            return
        start = time.monotonic()
        trainer.strategy.checkpoint_io = _InPlace()
        with suppress(OSError, RuntimeError):  # it would only save time
            trainer.save_checkpoint(self.path)
        self._due = time.monotonic() + max(SECONDS, WORTH * (time.monotonic() - start))

    def on_train_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """The state is of no use any more."""
        forget(self.path)


class _InPlace(TorchCheckpointIO):
    """Writes beside the file's place; Lightning would make copies in memory and in the folder for temporary files."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write it, whole or not at all."""
        write_atomically(Path(path), lambda file: torch.save(checkpoint, file))


def resumable(path: Path) -> int:
    """After how many epochs the fit whose state is kept at `path` goes on.

    0 if there is none that can be read, or other versions kept it, which may neither understand it nor add alike.
    """
    try:
        kept = torch.load(path, map_location="cpu", weights_only=True)["oraclecheck"]
        if kept["versions"] == _versions():
            return len(kept["epochs"])
    except Exception:  # whatever is the matter with it, the fit begins anew
        pass
    forget(path)
    return 0


def forget(path: Path) -> None:
    """Remove a state, and what is left of one that could not be kept."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
        remove_remains(path)


def _versions() -> dict[str, str]:
    return {each.__name__: str(each.__version__) for each in (oraclecheck, torch, L)}


def _loader(trainer: L.Trainer) -> Any:
    """The training batches, a `ShuffledBatches`."""
    return trainer.train_dataloader
