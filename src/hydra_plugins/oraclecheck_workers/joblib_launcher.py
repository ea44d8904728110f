"""Workers as processes of this machine, started with joblib's loky, each in a pool of its own.

In a pool that they share, as that of hydra-joblib-launcher, one that dies would end them all.
"""

import os
import threading
import time
from collections.abc import Sequence
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

POLL_SECONDS = 2.0  # between looks whether the sweep is still there


class WorkersLauncher(Launcher):
    """Starts as many processes as there are jobs; a single job runs in this process.

    Args:
        n_jobs: How many jobs there should be at most; -1 for as many as there are places. The sweep sees to it.
    """

    def __init__(self, n_jobs: int = -1) -> None:
        self.n_jobs = n_jobs

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what jobs are started with."""
        self._job = hydra_context, config, task_function

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs; that of a process that died has failed."""
        jobs = [(initial_job_idx + i, list(overrides), *self._job) for i, overrides in enumerate(job_overrides)]
        if len(jobs) == 1:
            return [_run(*jobs[0])]
        from joblib.externals.loky import ProcessPoolExecutor

        state = Singleton.get_state()
        mine: dict[str, Any] = {"initializer": end_with, "initargs": (os.getpid(),)}
        pools: list[Any] = [ProcessPoolExecutor(max_workers=1, **mine) for _ in jobs]
        try:
            futures = [pool.submit(_run_there, state, *job) for pool, job in zip(pools, jobs, strict=True)]
            return [_returned(future) for future in futures]
        finally:
            for pool in pools:
                pool.shutdown(wait=True, kill_workers=True)


def end_with(parent: int) -> None:
    """Make this process end soon after its parent has: it would go on alone, or idle and hold memory.

    Nothing is lost: records are atomic, and a run that had not left its record is run again.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _run_there(state: dict[Any, Any], *job: Any) -> JobReturn:
    """A job in another process, which is made to know what this one knows."""
    setup_globals()
    Singleton.set_state(state)
    return _run(*job)


def _run(number: int, overrides: list[str], context: HydraContext, config: DictConfig, task: TaskFunction) -> JobReturn:
    composed = context.config_loader.load_sweep_config(config, overrides)
    with open_dict(composed):
        composed.hydra.job.id, composed.hydra.job.num = str(number), number
    HydraConfig.instance().set_config(composed)
    return run_job(task, composed, "hydra.sweep.dir", "hydra.sweep.subdir", context)


def _returned(future: Any) -> JobReturn:
    try:
        returned: JobReturn = future.result()
    except Exception as error:
        returned = JobReturn(status=JobStatus.FAILED)
        returned.return_value = error
    return returned
