"""Speed of the analysis on one core, beside the obvious loop over scipy: `make bench`, or alone.

Seconds are those of the processor, so that a busy machine does not slow one side more than the other.

The loop recomputes tau-b in each resample with `scipy.stats.kendalltau`; it is timed on few resamples, and its time is
multiplied up to the 10,000 of the analysis.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy is imported

import statistics
import time
from itertools import combinations

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from scipy.stats import kendalltau

from oraclecheck import correlate
from oraclecheck.analysis.statistics.bootstrap import DRAWS

N, K, STUDIES, REPEATS = 1000, 3, 33, 3
TIMED_DRAWS = 50


def study(number: int, order: str = "sampled") -> pd.DataFrame:
    """Runs of one study: a score that knows half of a noisy metric; accuracies with four digits, which tie."""
    rng = np.random.default_rng(number)
    truth = rng.normal(size=N)
    combo = np.repeat(np.arange(N), K)
    accuracy = np.round(0.95 - 0.01 * (truth[combo] + rng.normal(size=N * K)), 4)
    loss = 0.2 + 0.01 * (truth[combo] + rng.normal(size=N * K))
    columns = {"study": f"study{number}", "study_hash": f"{number}", "order": order, "combo": combo, "picked_by": None}
    columns |= {"space_size": 10**12 if order == "sampled" else N, "repeat": np.tile(np.arange(K), N), "status": "ok"}
    columns |= {
        "pruned_train_loss": (truth + rng.normal(size=N))[combo],
        "removed": [{"conv1": [int(i)]} for i in combo],
    }
    return pd.DataFrame(columns | {"final_test_accuracy": accuracy, "final_test_loss": loss})


def seconds(function, *arguments: object) -> float:
    start = time.process_time()
    function(*arguments)
    return time.process_time() - start


def loop_over_scipy(runs: pd.DataFrame, draws: int) -> None:
    """The bootstrap of both metrics: agreement, and tau between all pairs of repeats."""
    rng, score = np.random.default_rng(0), runs["pruned_train_loss"].to_numpy().reshape(N, K)[:, 0]
    for metric in ("final_test_accuracy", "final_test_loss"):
        finals = runs[metric].to_numpy().reshape(N, K)
        for _ in range(draws):
            picks = rng.integers(N, size=N)
            kendalltau(score[picks], finals[picks].mean(axis=1))
            for r, q in combinations(range(K), 2):
                kendalltau(finals[picks, r], finals[picks, q])


def main() -> None:
    rows: dict[str, list[float]] = {}
    one, census = study(0), study(0, order="lexicographic")
    many = pd.concat([study(number) for number in range(STUDIES)], ignore_index=True)
    for _ in range(REPEATS):
        ours, loop = seconds(correlate, one), seconds(loop_over_scipy, one, TIMED_DRAWS) * DRAWS / TIMED_DRAWS
        measured = {
            f"one study of {N:,} x {K} runs, sampled": ours,
            "one study, enumerated": seconds(correlate, census),
        }
        measured |= {f"loop over scipy, bootstrap alone (from {TIMED_DRAWS} of {DRAWS:,} draws)": loop}
        measured |= {
            "loop / one study": loop / ours,
            f"{STUDIES} studies, {len(many):,} runs": seconds(correlate, many),
        }
        for name, value in measured.items():
            rows.setdefault(name, []).append(value)
    table = Table("analysis, CPU seconds on 1 core", *(f"repeat {i + 1}" for i in range(REPEATS)), "median", "bound")
    bounds = dict(zip(rows, ("< 10", "< 10", "", "", "< 300"), strict=True))
    for name, values in rows.items():
        table.add_row(name, *(f"{value:.1f}" for value in (*values, statistics.median(values))), bounds[name])
    Console().print(table)


if __name__ == "__main__":
    main()
