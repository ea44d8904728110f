"""Two studies by hand, one of them hostile."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd
from hand_made import correlated

from oraclecheck.analysis.criteria import mean_ranks
from oraclecheck.analysis.networks import across_networks
from oraclecheck.analysis.tables import combinations_table
from oraclecheck.records.record import Record
from oraclecheck.report.criteria import CriteriaFindings
from oraclecheck.report.findings import Findings
from oraclecheck.report.page import write_page
from oraclecheck.report.page.columns import GROUPS

HOSTILE = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"

# Least pruned train loss: combination 0. Combination 2 ends strictly better, 3 equally well, 4 diverged in one repeat.
SCORES = [0.1, 0.2, 0.3, 0.4, 0.5]
ACCURACIES = [[0.90, 0.92], [0.80, 0.82], [0.95, 0.97], [0.91, 0.91], [0.85, None]]


def run(study: str, combo: int | None, repeat: int, **values: Any) -> dict[str, Any]:
    """A row as `load_runs` gives it."""
    row: dict[str, Any] = {field.name: None for field in fields(Record)}
    row |= {
        "schema": 2,
        "study": study,
        "study_hash": "0" * 64,
        "setting_hash": "2" * 64,
        "model": "lenet5_mini",
        "data": "mnist",
    }
    row |= {"layers": ["conv1"], "pruning_ratio": {"conv1": 0.2}, "wiring": "correct", "order": "sampled"}
    row |= {"space_size": 45, "combo": combo, "removed": {"conv1": [combo or 0, 9]}, "repeat": repeat, "seed": 1}
    row |= {"pipeline": "one_shot", "engine": "lightning", "retrain_fraction": 1.0}
    row |= {"dense_hash": "1" * 64, "pretrain_seed": 0, "status": "ok", "history": []}
    return row | {"versions": {"torch": "2.15.0"}, "device": "cpu", "threads": 1} | values


def outcome(accuracy: float | None, score: float) -> dict[str, Any]:
    """What a run ended with; no accuracy: it diverged. At the best epoch it was one point better."""
    if accuracy is None:
        return {"status": "diverged", "pruned_train_loss": score}
    metrics = {"final_test_accuracy": accuracy, "final_test_loss": 1 - accuracy}
    best = {"best_test_accuracy": accuracy + 0.01, "best_test_loss": 0.99 - accuracy}
    return {"pruned_train_loss": score, **metrics, **best}


def as_runs(rows: list[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    for field in fields(Record):
        if field.type == float | None:
            table[field.name] = table[field.name].astype("float64")
    for name in ("combo", "space_size", "picked_by"):
        table[name] = pd.Series([row[name] for row in rows], dtype=object)
    return table


def make_runs() -> pd.DataFrame:
    rows = [
        run("plain", combo, repeat, **outcome(accuracy, SCORES[combo]))
        for combo, accuracies in enumerate(ACCURACIES)
        for repeat, accuracy in enumerate(accuracies)
    ]
    rows += [run("plain", None, r, picked_by="l1", removed={"conv1": [7, 9]}, **outcome(0.93, 0.25)) for r in range(2)]
    error = f"Traceback (most recent call last):\n  {HOSTILE}\nRuntimeError: {HOSTILE}"
    hostile = {"model": HOSTILE, "device": HOSTILE, "versions": {HOSTILE: HOSTILE}}
    rows += [
        run(HOSTILE, combo, 0, removed={HOSTILE: [combo]}, **hostile, **outcome(0.5 + combo / 10, 2 - combo))
        for combo in range(3)
    ]
    rows += [run(HOSTILE, 3, 0, removed={HOSTILE: [3]}, **hostile, status="failed", error=error)]
    rows.append(run("without outcome", 0, 0, status="failed", error="KeyError: 0"))
    return as_runs(rows)


def make_table() -> pd.DataFrame:
    """Rows as `correlate` gives them, with numbers that order the two studies differently by each column."""
    rows = []
    for study, s, p, ceiling in (("plain", 0.5, 0.04, 0.9), (HOSTILE, -0.25, 2e-5, None)):
        for metric in ("accuracy", "loss"):
            shift = 0.02 * (metric == "loss")
            row = {"study": study, "model": "lenet5_mini" if study == "plain" else HOSTILE, "data": "mnist"}
            row |= {"layers": "conv1", "pruning_ratio": "0.2", "wiring": "correct", "final": "last"}
            row |= {"metric": metric, "n": 5 if study == "plain" else 3, "k": 2, "runs": 10, "missing": 0}
            row |= {"agreement": s + shift, "agreement_low": s - 0.1, "agreement_high": s + 0.1, "interval": "repeats"}
            row |= {"p": p, "p_holm": p, "valid": False, "ceiling": ceiling, "collapsed": 0, "anomaly_ratio": 0.2}
            row |= {"counterexample_ratio": 0.3, "failed": int(study != "plain"), "tau": -s, "note": ""}
            row |= {"relation": "none shown", "verdict": "undecided", "scope": "one network"}
            rows.append(row | {"reason": "sample: 5 combinations are few"})
    for metric in ("accuracy", "loss"):
        row = {"study": "without outcome", "final": "last", "metric": metric, "n": 0, "k": 1, "failed": 1, "missing": 0}
        row |= {"relation": "none shown", "verdict": "undecided", "scope": "one network"}
        rows.append(row | {"reason": "sample: there is none"})
    columns = (name for group in GROUPS.values() for column in group for name in (column.name, *column.ends))
    return pd.DataFrame(rows, columns=[name for name in columns if name != "agreement_missing"])


def made(runs: pd.DataFrame, table: pd.DataFrame, **known: Any) -> Findings:
    """Findings of runs whose table was not computed of them."""
    nothing = pd.DataFrame()
    return Findings(runs, combinations_table(runs), table, nothing, [], table, nothing, **known)


def write_studies(path: Path) -> Path:
    """The page of the two studies."""
    config = {"retrain": {"lr": "0: 1e-3"}, "note": HOSTILE}
    files = {"plain": {"config": config, "definition": {"seed": 0}, "overrides": []}}
    table = make_table()
    best = table.assign(final="best", agreement=table["agreement"] + 0.1)
    write_page(path, made(make_runs(), table, study_files=files, other_epoch=best), f"report {HOSTILE}")
    return path


def make_criteria() -> CriteriaFindings:
    """Four criteria in three dense networks, one of a hostile name."""
    s = {"oracle": 0.4, "taylor": 0.5, HOSTILE: 0.1, "random": -0.1}
    rows: list[dict[str, Any]] = [
        {
            **{"study": f"s-{network:08x}", "dense_hash": f"d{network}", "criterion": name, "rank": 1.0},
            **{"agreement": value + 0.02 * network, "rank_low": 1.0, "rank_high": 2.0, "seconds": 0.5},
        }
        for network in range(3)
        for name, value in s.items()
    ]
    table = correlated(*rows)
    networks = mean_ranks(table, across_networks(table))
    means = networks.assign(**dict.fromkeys(["ceiling", "anomaly_ratio", "regret", "seconds"], 0.9))
    means[["rank_low", "rank_high"]] = [1.0, 2.0]
    setting = {"setting_hash": table["setting_hash"].iloc[0], "final": "last", "metric": "accuracy", "networks": 3}
    pair = {"criterion_a": "taylor", "criterion_b": "oracle", "difference": 0.1, "p": 0.001, "p_holm": 0.006}
    pair |= {"difference_low": 0.08, "difference_high": 0.12}
    return CriteriaFindings(table, means, pd.DataFrame(), pd.DataFrame([{**setting, **pair}]))


def make_partial() -> pd.DataFrame:
    """Agreement after each of ten epochs with the end, of the first study."""
    rows: list[dict[str, Any]] = [
        {
            **{"study": "plain", "setting_hash": None, "dense_hash": "d", "final": "last", "metric": metric},
            **{"n": 5, "k": 2, "epochs": 10, "epoch": epoch, "tau": epoch / 10, "tau_other": epoch / 20},
            **{"tau_low": epoch / 10 - 0.1, "tau_high": min(1.0, epoch / 10 + 0.1)},
        }
        for metric in ("accuracy", "loss")
        for epoch in range(1, 11)
    ]
    return pd.DataFrame(rows)
