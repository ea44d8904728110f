"""The metrics after retraining that a criterion is judged by: their columns, and what they are called."""

HIGHER_IS_BETTER = {"accuracy": True, "loss": False}
UNIT = {"accuracy": 100, "loss": 1}
"""Accuracies are fractions in tables, and percent in print and on figures."""

FINALS = {"last": "final", "best": "best"}
"""What a user calls an epoch, and what columns call it."""

METRIC_COLUMNS = {f"{final}_test_{metric}": metric for final in FINALS.values() for metric in HIGHER_IS_BETTER}
"""Column of the runs -> metric."""


def metric_columns(final: str, metric: str) -> dict[str, str]:
    """Column of the runs -> metric, for the words that a user gives.

    Raises:
        ValueError: If final is not last or best, or metric not accuracy, loss or both.
    """
    if final not in FINALS:
        raise ValueError(f"final must be last or best; got {final}")
    if metric not in (*HIGHER_IS_BETTER, "both"):
        raise ValueError(f"metric must be accuracy, loss or both; got {metric}")
    metrics = HIGHER_IS_BETTER if metric == "both" else (metric,)
    return {f"{FINALS[final]}_test_{name}": name for name in metrics}


def metric_name(final: str, metric: str) -> str:
    """How a final metric is called in headings: the last epoch's is the final one, the best epoch's says so."""
    return f"{'final' if final == 'last' else 'best-epoch'} test {metric}"
