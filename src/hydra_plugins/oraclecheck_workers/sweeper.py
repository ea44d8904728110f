"""A sweep as workers that share its runs, where Hydra's own sweeper makes each of them a job."""

from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class WorkersSweeper(Sweeper):
    """Hands the sweep to the application, which plans it, with the means to start workers.

    Args:
        params: What the chosen files sweep over; the plan reads it for each choice of files.
    """

    def __init__(self, params: Any = None) -> None:
        self.config: DictConfig | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what workers are started with."""
        self.config, self._context, self._task = config, hydra_context, task_function

    def sweep(self, arguments: list[str]) -> Any:
        """Let the application plan these `KEY=VALUE` arguments and start its workers."""
        return self._task.command.sweep(arguments, self.config, self._launch)  # type: ignore[attr-defined]

    def _launch(self, worker: TaskFunction, count: int) -> Any:
        """Start a worker `count` times through the launcher; gives what came of each."""
        assert self.config is not None
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=self._context, task_function=worker, config=self.config
        )
        # each job is the same; where they write is all that Hydra needs to know
        out = str(Path(self.config.paths.out).absolute()).replace("\\", "\\\\").replace("'", "\\'")
        return launcher.launch([[f"paths.out='{out}'"] for _ in range(count)], initial_job_idx=0)
