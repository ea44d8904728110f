"""Which pipeline a setting has."""

from collections.abc import Callable, Iterator
from typing import Any

from oraclecheck.pipelines.iterative import iterative
from oraclecheck.pipelines.one_shot import one_shot
from oraclecheck.pipelines.scratch import scratch
from oraclecheck.study.setting import Setting

Pipeline = Callable[..., Iterator[dict[str, Any] | Exception]]
"""Called as `one_shot` is."""

PIPELINES: dict[str, Pipeline] = {
    "one_shot": one_shot,
    "during": one_shot,  # of a dense network that was taken in mid-training
    "iterative": iterative,
    "scratch": scratch,
}


def pipeline_of(setting: Setting) -> Pipeline:
    """The pipeline of a setting."""
    return PIPELINES[setting.pipeline.name]
