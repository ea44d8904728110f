"""W&B, a mirror: one run for each record. Its troubles cost a line on stderr, never a record."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from oraclecheck.errors import first_line
from oraclecheck.records.record import Record
from oraclecheck.records.wandb.columns import JOB_TYPE, flat_config, to_config, to_display, to_summary
from oraclecheck.records.wandb.server import WandbSettings, begin_run, server_trouble


class WandbMirror:
    """One W&B run, opened now, fed each epoch, closed with the record.

    Args:
        settings: Where it goes; None mirrors nothing.
        identity: Record columns that say what the run is; they become W&B's config.
        folder: The study's folder; offline runs are kept in its `wandb/`.
        run_id: Deterministic, so that a run that is tried again replaces itself.
        recipe: How it is retrained, for W&B's tables and filters.
    """

    def __init__(
        self,
        settings: WandbSettings | None,
        identity: dict[str, Any],
        folder: Path,
        run_id: str,
        recipe: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._run: Any = None
        if settings is None or (usable := usable_mode(settings.mode)) == "disabled":
            return
        described = {"id": run_id, "group": identity["study"], "job_type": JOB_TYPE, **to_display(identity)}
        config = {**to_config(identity), **flat_config(identity, recipe)}
        for mode in dict.fromkeys([usable, "offline"]):
            if self._run is None:
                with self._guarded():
                    where = replace(settings, mode=mode)
                    self._run = begin_run(where, folder, **described, config=config)

    def log(self, entry: dict[str, float]) -> None:
        """Mirror an epoch's numbers, or what is known before the first: the pruned network's."""
        if self._run is not None:
            with self._guarded():
                if "epoch" not in entry:
                    self._run.summary.update(entry)  # so that a scatter over it grows while networks retrain
                    return
                numbers = {name: value for name, value in entry.items() if name != "epoch"}
                self._run.log(numbers, step=int(entry["epoch"]))

    def finish(self, record: Record) -> None:
        """Mirror the record and close the run."""
        if self._run is not None:
            with self._guarded():
                self._run.summary.update(to_summary(record))
                self._run.finish(exit_code=1 if record.status == "failed" else 0)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Around what W&B may fail at; after a failure this run is mirrored no further and later ones stay offline."""
        global _failure_said
        try:
            yield
        except Exception as error:
            os.environ["WANDB_MODE"] = "offline"
            if not _failure_said:
                _failure_said = True
                _say(f"W&B failed ({first_line(error)}); records are kept on disk all the same")
            run, self._run = self._run, None
            if run is not None:
                with suppress(Exception):  # left open, it would receive the next run's numbers
                    run.finish(exit_code=1)


_failure_said = False


def usable_mode(mode: str) -> str:
    """The mode W&B can be used in: offline if online was asked for but the server or the key is missing.

    `wandb.init` would wait a minute and a half for a server that does not answer, and ask for a missing key. What was
    found out is kept in $WANDB_MODE, for this process and those it starts; a user's own $WANDB_MODE counts as well.
    """
    if os.environ.get("WANDB_MODE") in ("offline", "disabled"):
        return os.environ["WANDB_MODE"]
    if mode == "online" and (trouble := _trouble()):
        os.environ["WANDB_MODE"] = "offline"
        _say(f"W&B is not usable online: {trouble}; runs are kept offline, `wandb sync` uploads them later")
        return "offline"
    return mode


_trouble = cache(server_trouble)  # once a process


def _say(sentence: str) -> None:
    print(f"oraclecheck: {sentence}", file=sys.stderr, flush=True)
