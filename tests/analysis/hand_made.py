"""Rows of `correlate` by hand, so that layouts and figures are tested without it."""

from typing import Any

import pandas as pd

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
    "retrain_fraction": 1.0,
    "dense_hash": "d" * 64,
    "pretrain_seed": 0,
    "final": "last",
    "metric": "accuracy",
    "n": 45,
    "k": 3,
    "runs": 135,
    **dict.fromkeys(["missing", "failed", "diverged", "unfinished", "incomplete"], 0),
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
    "ceiling": 0.9234,
    "ceiling_low": 0.8811,
    "ceiling_high": 0.9512,
    "noise_free": 0.6511,
    "noise_free_low": 0.5512,
    "noise_free_high": 0.7511,
    "collapsed": 0,
    "p_permutation": 0.0005,
    "p_holm": 0.001,
    "p_used": "permutation",
    "verdict": "valid",
    "reason": "the interval lies above 0.2",
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
}


def correlated(*rows: dict[str, Any]) -> pd.DataFrame:
    """A table of `correlate` from one mapping for each row, of the columns in which it differs from a common one."""
    return pd.DataFrame([ROW | row for row in rows or [{}]])
