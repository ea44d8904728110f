"""Agreement in every round of iterative pruning, as Table A3 of Feng et al. (arXiv 2412.00143) has it."""

import pandas as pd

from oraclecheck.analysis.statistics.correlation import kendall
from oraclecheck.records.combination_key import combination_keys


def rounds_table(runs: pd.DataFrame, *, final: str = "last") -> pd.DataFrame:
    """Kendall's tau of the pruned train loss of each round with the final test loss and accuracy.

    The pruned train loss of a round is measured right after its pruning, and is averaged over the repeats of a
    combination, as final metrics are: from the second round on it depends on the retrainings before.

    Args:
        runs: Runs with the columns of a record; those without rounds, that did not end well, or whose combination a
            criterion picked, do not count.
        final: "last" or "best".

    Returns:
        A row for each study and round: `study`, `round` (1-based), `rounds`, `n` (combinations), `k` (most repeats of
        one), `tau_loss`, `p_loss`, `tau_accuracy`, `p_accuracy`; scipy's p, which takes combinations as independent.
    """
    name = {"last": "final", "best": "best"}[final]
    found = []
    counted = runs[(runs["status"] == "ok") & runs["picked_by"].isna() & (runs["pipeline"] == "iterative")]
    for study, of_study in counted.groupby("study", sort=False):
        keys = pd.Series(map(str, combination_keys(of_study)), index=of_study.index)
        repeats = keys.value_counts().max()
        finals = of_study[[f"{name}_test_loss", f"{name}_test_accuracy"]].astype(float).groupby(keys).mean()
        count = len(of_study["rounds"].iloc[0])
        for number in range(count):
            losses = of_study["rounds"].map(lambda rounds, number=number: rounds[number]["pruned_train_loss"])
            score = losses.astype(float).groupby(keys).mean()
            row = {"study": study, "round": number + 1, "rounds": count, "n": len(score), "k": int(repeats)}
            for metric in ("loss", "accuracy"):
                tau, p = kendall(score.to_numpy(), finals[f"{name}_test_{metric}"].to_numpy())
                row |= {f"tau_{metric}": tau, f"p_{metric}": p}
            found.append(row)
    return pd.DataFrame(found)
