"""Studies and rows of `correlate` by hand, so that reports, layouts and figures are tested without training."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from oraclecheck.files import digest, write_json
from oraclecheck.pruning.combination import LayerChoice
from oraclecheck.pruning.space import CombinationSpace
from oraclecheck.records.record import Record, to_json
from oraclecheck.records.store import record_path
from oraclecheck.records.validation import MEASURED
from oraclecheck.study.folder import STUDY_FILE
from oraclecheck.study.identity import OF_STUDY

ROW: dict[str, Any] = {
    "study": "lenet5_mini-mnist-conv1_0.2-0a1b2c3d",
    "study_hash": "0a1b2c3d" * 8,
    "model": "lenet5_mini",
    "data": "mnist",
    "layers": "conv1",
    "pruning_ratio": "0.2",
    "wiring": "correct",
    "order": "lexicographic",
    "space": "enumerated",
    "space_size": 45,
    "pipeline": "one_shot",
    "engine": "lightning",
    "retrain_fraction": 1.0,
    "dense_hash": "d" * 64,
    "pretrain_seed": 0,
    "criterion": "oracle",
    "final": "last",
    "metric": "accuracy",
    "n": 45,
    "k": 3,
    "runs": 135,
    **dict.fromkeys(["missing", "failed", "diverged", "unfinished", "incomplete"], 0),
    **dict.fromkeys(["left_out", "left_out_combinations"], 0),
    "agreement": 0.6123,
    "agreement_low": 0.5012,
    "agreement_high": 0.7088,
    "interval": "repeats",
    "tau": -0.6123,
    "p": 4.8123e-09,
    "valid": True,
    "agreement_without_diverged": 0.6123,
    "agreement_missing_low": 0.6123,
    "agreement_missing_high": 0.6123,
    "rho_k": 0.9856,
    "rho_k_low": 0.9655,
    "rho_k_high": 0.9941,
    "ceiling_n": 45,
    "ceiling": 0.9234,
    "ceiling_low": 0.8811,
    "ceiling_high": 0.9512,
    "noise_free": 0.6511,
    "noise_free_low": 0.5512,
    "noise_free_high": 0.7511,
    "collapsed": 0,
    "p_permutation": 0.0005,
    "p_holm": 0.001,
    "p_family": 2,
    "p_used": "permutation",
    "relation": "agrees",
    "verdict": "valid",
    "reason": "the interval lies above 0.2",
    "scope": "one network",
    "anomaly_ratio": 4 / 45,
    "anomaly_low": 0.05,
    "anomaly_high": 0.14,
    "regret": 0.00123,
    "regret_low": 0.0004,
    "regret_high": 0.0021,
    "counterexample_ratio": 0.194,
    "counterexamples": 192,
    "pairs": 990,
    "tied_score": 0,
    "tied_final": 12,
    "tie_share": 0.0121,
    "note": "",
    "error": "",
}


def correlated(*rows: dict[str, Any]) -> pd.DataFrame:
    """A table of `correlate` from one mapping for each row, of the columns in which it differs from a common one."""
    return pd.DataFrame([{"setting_hash": setting_hash(ROW | row)} | ROW | row for row in rows or [{}]])


def setting_hash(columns: dict[str, Any]) -> str:
    """One for each setting that the columns tell apart."""
    names = (
        "model",
        "data",
        "layers",
        "pruning_ratio",
        "wiring",
        "order",
        "space_size",
        "pipeline",
        "engine",
        "retrain_fraction",
    )
    return digest([columns[name] for name in names])


_IDENTITY = {"model": "lenet5_mini", "data": "digits", "layers": ["conv1"], "pruning_ratio": {"conv1": 0.2}}
_IDENTITY |= {
    "wiring": "correct",
    "order": "lexicographic",
    "space_size": 6,
    "pipeline": "one_shot",
    "engine": "lightning",
}
_IDENTITY |= {"retrain_fraction": 1.0}


def study_folder(parent: Path, name: str = "demo-1a2b3c4d", *, n: int = 6, k: int = 2, **columns: Any) -> Path:
    """A study's folder with the records of the first n combinations (unless `space_size` says more, of all), k repeats.

    Combination i removes filter i and has pruned train loss i; accuracy falls and loss rises with i, but for noise.
    """
    folder = parent / name
    columns = {"layers": ["conv1"], "space_size": n, **columns}
    (layer,) = columns["layers"]
    fixed = {"model": "lenet5_mini", "pruning_ratio": {layer: 0.2}, "wiring": "correct", "order": "lexicographic"}
    fixed |= {"pipeline": "one_shot", "engine": "lightning", "retrain_fraction": 1.0, "dense_hash": "d" * 64}
    columns = {**fixed, **columns}
    definition = {**{key: columns[key] for key in fixed}, "layers": {layer: [columns["space_size"], 1]}}
    definition |= {"order_seed": 0, "seed": 0}
    identity = {**_IDENTITY, "schema": 2, "study": name, "study_hash": name[-8:], "pretrain_seed": 0, **columns}
    identity = {"setting_hash": setting_hash(identity), **identity}
    content = {"identity": {key: identity[key] for key in OF_STUDY}, "definition": definition}
    content |= {"overrides": [], "config": {}}
    write_json(folder / STUDY_FILE, content)
    space = CombinationSpace((LayerChoice(layer, columns["space_size"], 1),), columns["order"])
    noise = np.random.default_rng(0).normal(size=(n, k, 2)) / 1000
    for combo in range(n):
        for repeat in range(k):
            removed = {layer: list(space.unrank(combo)[layer])}
            accuracy, loss = noise[combo, repeat] + (0.9 - combo / 100, 0.1 + combo / 100)
            write_run(folder, combo, repeat, accuracy=accuracy, loss=loss, **{"removed": removed, **columns})
    return folder


def write_run(folder: Path, combo: int | None, repeat: int, *, accuracy: float, loss: float, **columns: Any) -> Path:
    """One record in its place."""
    metrics = {name: loss if "loss" in name else accuracy for name in MEASURED if name != "best_epoch"}
    epoch = {"epoch": 0, "lr": 0.1, "train_loss": 0.1, "test_loss": 0.1, "test_accuracy": 0.9}
    metrics |= {name: 0.1 if "loss" in name else 0.9 for name in MEASURED if name.startswith("dense")}
    metrics |= {"best_epoch": 0, "pruned_train_loss": float(combo or 0), "history": [epoch]}
    identity = {"schema": 2, "study": folder.name, "study_hash": folder.name[-8:]}
    identity |= {**_IDENTITY, "combo": combo, "removed": {"conv1": [combo or 0]}, "picked_by": None, "repeat": repeat}
    identity |= {"seed": 0, "dense_hash": "d" * 64}
    identity |= {"setting_hash": setting_hash(identity | columns)}
    record = Record(**{**identity, "pretrain_seed": 0, "status": "ok", **metrics, **columns})
    path = record_path(folder, record.picked_by or combo or 0, repeat)
    write_json(path, to_json(record))
    return path
