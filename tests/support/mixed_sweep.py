"""A mixed sweep by hand: 15 studies of several layers, ratios, wirings and dense networks, without training.

python tests/support/mixed_sweep.py sweep.parquet
python -m oraclecheck.report sweep.parquet --out report
"""

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from oraclecheck.files import digest
from oraclecheck.pruning.combination import LayerChoice
from oraclecheck.pruning.space import CombinationSpace
from oraclecheck.records.columns import NAMES
from oraclecheck.records.frame import table_of_rows
from oraclecheck.records.runs_file import save_runs

FILTERS = 10
"""Of each convolution of LeNet5-Mini."""

REPEATS = 2


class Setting(NamedTuple):
    """A setting of the sweep.

    Attributes:
        layers: What is pruned.
        ratio: Of each of them.
        wiring: See `RunIdentity`.
        networks: Dense networks, pre-trained with seeds 0, 1, ...
        relation: Correlation of log score and final loss before retraining noise; positive: the criterion is right.
        runs: Combinations that have been retrained; None for all that there are.
    """

    layers: tuple[str, ...]
    ratio: float
    wiring: str
    networks: int
    relation: float
    runs: int | None = None


SETTINGS = (
    Setting(("conv1",), 0.2, "correct", 3, -0.6),
    Setting(("conv1",), 0.2, "released_code", 3, 0.8),
    Setting(("conv2",), 0.2, "correct", 3, 0.4),
    Setting(("conv3",), 0.2, "correct", 3, 0.0),
    Setting(("conv1",), 0.3, "correct", 1, 0.9),
    Setting(("conv2",), 0.3, "correct", 1, -0.2),
    Setting(("conv1", "conv2", "conv3"), 0.2, "correct", 1, 0.3, runs=60),
)

DIVERGED = frozenset({(0, 7, 1), (3, 11, 0), (3, 12, 0), (3, 12, 1), (13, 5, 1), (14, 2, 0), (14, 2, 1)})
"""Runs that diverged: study (its place in the sweep), combination, repeat."""


def mixed_sweep() -> pd.DataFrame:
    """The runs, as `load_runs` gives them: 15 studies, 7 settings, 4 of them of 3 dense networks each."""
    rows: list[dict[str, Any]] = []
    for setting in SETTINGS:
        for network in range(setting.networks):
            rows += _study(setting, network, place=len({row["study"] for row in rows}))
    return table_of_rows([dict.fromkeys(NAMES) | row for row in rows])


def _study(setting: Setting, network: int, place: int) -> Iterator[dict[str, Any]]:
    choices = [LayerChoice(layer, FILTERS, round(FILTERS * setting.ratio)) for layer in setting.layers]
    space = CombinationSpace.of(choices)
    dense = digest(["dense", network])
    own = digest([setting, network])
    fixed = {
        **{"schema": 2, "model": "lenet5_mini", "data": "mnist", "wiring": setting.wiring, "order": space.order},
        "study": f"lenet5_mini-mnist-{'-'.join(f'{layer}_{setting.ratio}' for layer in setting.layers)}-{own[:8]}",
        **{"study_hash": own, "setting_hash": digest([setting]), "dense_hash": dense, "pretrain_seed": network},
        **{"layers": list(setting.layers), "pruning_ratio": dict.fromkeys(setting.layers, setting.ratio)},
        **{"space_size": space.recorded_size, "engine": "lightning", "retrain_fraction": 0.1},
        **{"dense_params": 14_240, "pruned_params": 13_000},
        **{"versions": {"torch": "2.15.0"}, "device": "cpu", "threads": 1, "history": []},
        **{"dense_train_loss": 0.05, "dense_test_loss": 0.06, "dense_test_accuracy": 0.982},
    }
    generator = np.random.default_rng([place, 1])
    count = setting.runs or space.size
    removed = [space.unrank(combo) for combo in range(count)]
    is_removed = np.array([[f in one[layer] for layer in setting.layers for f in range(FILTERS)] for one in removed])
    harm, other = _standard(is_removed @ generator.normal(size=(is_removed.shape[1], 2))).T
    truth = setting.relation * harm + np.sqrt(1 - setting.relation**2) * other
    score = 0.08 * np.exp(1.3 * harm)  # most near 0 and a few far away, as pruned train losses are
    for combo in range(count):
        for repeat in range(REPEATS):
            loss, accuracy = truth[combo] + 0.5 * generator.normal(size=2)
            run = {"combo": combo, "removed": removed[combo], "repeat": repeat, "seed": repeat, "status": "ok"}
            run |= {"pruned_train_loss": float(score[combo])}
            if (place, combo, repeat) in DIVERGED:
                yield {**fixed, **run, "status": "diverged"}
                continue
            last = {"test_loss": 0.08 + 0.004 * loss, "test_accuracy": round(0.975 - 0.0015 * accuracy, 4)}
            metrics = {f"{epoch}_{name}": float(value) for epoch in ("final", "best") for name, value in last.items()}
            metrics["best_test_accuracy"] = round(metrics["best_test_accuracy"] + 0.0005, 4)
            yield {**fixed, **run, **metrics, "final_train_loss": 0.07, "best_epoch": 0}


def _standard(values: np.ndarray) -> np.ndarray:
    return (values - values.mean(axis=0)) / values.std(axis=0)


if __name__ == "__main__":
    save_runs(mixed_sweep(), sys.argv[1])
