"""One command: check what it asks for, start workers, and say what is missing when they are done."""

import os
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig

from oraclecheck.command import outcome
from oraclecheck.command.messages import explain
from oraclecheck.command.places import (
    NO_WAITING,
    check_launcher,
    count_workers,
    gpus,
    is_elsewhere,
    is_scheduled,
    take_gpus,
)
from oraclecheck.command.plan import Share, plan, share_of
from oraclecheck.command.preflight import check
from oraclecheck.command.progress import SweepProgress
from oraclecheck.command.request import Request
from oraclecheck.exits import INCOMPLETE, INTERRUPTED, TERMINATED
from oraclecheck.files import FileState, file_state

POLL_SECONDS = 2.0  # between looks whether others still work

Launch = Callable[["Worker", int], Sequence[Any]]
"""Starts a worker so many times; gives Hydra's account of what came of each."""


def carry_out(
    shares: Sequence[Share], launcher: Mapping[str, Any], launch: Launch, show_traceback: bool = False
) -> int:
    """Do the runs of a command; returns the exit code.

    Args:
        shares: The studies that it asks for.
        launcher: Hydra's configuration of what starts the workers.
        launch: Starts them.
        show_traceback: Whether to show where workers' exceptions come from.

    Raises:
        ValueError: If something would stop it later; nothing was done then.
    """
    requests = [share.request() for share in shares]
    first, trainer = shares[0].config, requests[0].setting.trainer
    elsewhere = is_elsewhere(launcher)
    each = max(request.setting.trainer.devices for request in requests)
    check_launcher(launcher, each, trainer.accelerator)
    os.environ.setdefault(NO_WAITING, "0")  # a cluster that starts here reads it
    count = count_workers(first.workers, first.gpu_slots, trainer.accelerator, launcher, each)
    for request in requests:
        check(request, elsewhere=elsewhere, slots=first.gpu_slots)
    if first.dry_run:
        from oraclecheck.command.rehearsal import rehearse

        rehearse(requests, count)
        return 0
    stopped = 0
    missing = [request.missing() for request in requests]
    outstanding = sum(request.count(lacking) for request, lacking in zip(requests, missing, strict=True))
    if outstanding == 0:
        print("Nothing to do: every run has its record.", file=sys.stderr)
    else:
        for share, request in zip(shares, requests, strict=True):
            share.resolve()
            request.note()
        devices = [] if elsewhere else gpus(trainer.accelerator)
        worker = Worker(shares, _there(missing), Path.cwd(), devices, (first.gpu_slots, each), show_traceback)
        try:
            with SweepProgress(requests):
                try:
                    _tell(launch(worker, min(count, outstanding)))
                except Exception as error:  # launchers of clusters give up with the first worker that dies
                    if show_traceback:
                        traceback.print_exception(error)
                    print(f"oraclecheck: {explain(error)}", file=sys.stderr, flush=True)
                    _wait_for_others(requests)
        except (KeyboardInterrupt, SystemExit) as stop:  # Lightning turns the first into the second
            stopped = TERMINATED if getattr(stop, "code", None) == TERMINATED else INTERRUPTED
            if is_scheduled(launcher):
                print(f"oraclecheck: its jobs go on: scancel --name {launcher['name']} ends them", file=sys.stderr)
        missing = [request.missing() for request in requests]
    for line in outcome.summary(requests, missing):
        print(line)
    complaint = outcome.complaint(requests, missing)
    if complaint:
        print(f"oraclecheck: {complaint}", file=sys.stderr)
    return stopped or (INCOMPLETE if complaint else 0)


class Command:
    """What Hydra calls once it has composed a command; for a sweep its sweeper calls `sweep`.

    Args:
        show_traceback: Whether to show where exceptions come from.
    """

    def __init__(self, show_traceback: bool = False) -> None:
        self._show_traceback = show_traceback
        self._code: int | Exception = 0

    def __call__(self, cfg: DictConfig) -> None:
        """Do the runs of one study in this process."""
        hydra: Any = HydraConfig.get()

        def carried_out() -> int:
            share = share_of(cfg, list(hydra.overrides.task), hydra)
            return carry_out([share], HERE, _work_here, self._show_traceback)

        self._keep(carried_out)

    def sweep(self, overrides: Sequence[str], config: DictConfig, launch: Launch) -> None:
        """Do the runs of a sweep with workers.

        Args:
            overrides: Its `KEY=VALUE` arguments, but for Hydra's own.
            config: Hydra's configuration of it.
            launch: Starts workers.
        """
        launcher, show = config.hydra.launcher, self._show_traceback
        self._keep(lambda: carry_out(plan(overrides, config.hydra), launcher, launch, show))

    def code(self) -> int:
        """The exit code.

        Raises:
            Exception: What kept the command from beginning.
        """
        if isinstance(self._code, Exception):
            raise self._code
        return self._code

    def _keep(self, carried_out: Callable[[], int]) -> None:
        """Keep what came of it: an exception that Hydra saw would get a line of Hydra's own."""
        try:
            self._code = carried_out()
        except Exception as error:
            self._code = error


HERE = {"_target_": "basic"}
"""The launcher of a command that is no sweep: there is one worker, in this process."""


def _work_here(worker: "Worker", _: int) -> list[JobReturn]:
    returned = JobReturn(status=JobStatus.COMPLETED)
    returned.return_value = worker(DictConfig({}))
    return [returned]


def _tell(returned: Sequence[Any]) -> None:
    """Say on stderr what kept workers from going on, each thing once."""
    sentences: dict[str, None] = {}
    for each in returned:
        came = each._return_value  # its property would print a line of Hydra's
        found = came if isinstance(came, list) else [f"a worker died: {came}"]
        sentences.update(dict.fromkeys(found))
    for sentence in sentences:
        print(f"oraclecheck: {sentence}", file=sys.stderr)


def _wait_for_others(requests: Sequence[Request]) -> None:
    """Return once nobody does runs of these studies any more."""
    progress = SweepProgress(requests)
    progress.poll()
    while progress.running:
        time.sleep(POLL_SECONDS)
        progress.poll()


def _there(missing: Sequence[list[Path] | None]) -> frozenset[FileState]:
    """States of the records that are there of runs that are missing: those that failed."""
    paths = (path for lacking in missing for path in lacking or [])
    return frozenset(state for path in paths if (state := file_state(path)))


class Worker:
    """What a launcher starts in each place: does runs of the studies until nobody is needed any more.

    Args:
        shares: The studies.
        before: States of the records that were there when the sweep began; see `Claims`.
        folder: Where relative paths begin; the same on every machine.
        devices: GPUs of this machine that workers share out among themselves; none where the launcher does it.
        slots: How many workers share a GPU, and how many GPUs a worker takes.
        show_traceback: Whether to show where exceptions come from.
    """

    def __init__(
        self,
        shares: Sequence[Share],
        before: frozenset[FileState],
        folder: Path,
        devices: Sequence[str],
        slots: tuple[int, int],
        show_traceback: bool,
    ) -> None:
        self._show_traceback = show_traceback
        self._shares, self._before, self._folder = shares, before, folder
        self._devices, self._slots = devices, slots

    def __call__(self, _: DictConfig) -> list[str]:
        """Work; gives what kept it from finishing a study, in a sentence each."""
        try:
            os.chdir(self._folder)
        except OSError as error:
            return [f"{socket.gethostname()} must have the folder {self._folder}, as every machine: {error.strerror}"]
        if str(self._folder) not in sys.path:
            sys.path.append(str(self._folder))  # the user's networks lie there
        slots = take_gpus(self._devices, *self._slots)
        try:
            from oraclecheck.experiment import work

            troubles = work(self._shares, self._before)
            for trouble in troubles if self._show_traceback else []:
                traceback.print_exception(trouble)
            return [explain(trouble) for trouble in troubles]
        finally:
            for slot in slots:
                slot.release()
