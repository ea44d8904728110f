"""Processes forked from one server, which has imported once for all of them what takes seconds."""

import multiprocessing

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        *("oraclecheck.experiment", "oraclecheck.command.messages", "oraclecheck.command.progress", "few_digits"),
        *("oraclecheck.engines.lightning", "oraclecheck.engines.classifier", "cProfile"),
        *("sklearn.datasets", "sklearn.model_selection"),
        *("requests", "wandb", "wandb.sdk.launch.inputs.internal"),
    ]
)
