"""How little retraining is enough: what the metric after a few epochs says of that after the last.

Feng et al. (arXiv 2412.00143, Appendix E) retrain for 10 % of the epochs instead. Here nothing is run: records hold the
test metrics after every epoch. Combinations with a run that diverged take no part.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from oraclecheck.analysis.metrics import metric_columns
from oraclecheck.analysis.networks import mean_over_networks
from oraclecheck.analysis.outcomes import checked, outcomes
from oraclecheck.analysis.space import counted_runs
from oraclecheck.analysis.statistics.balance import mean_of_repeats
from oraclecheck.analysis.statistics.bootstrap import kendall_draws
from oraclecheck.analysis.statistics.correlation import kendall
from oraclecheck.analysis.statistics.intervals import LEAST, ends
from oraclecheck.analysis.statistics.retraining_noise import joint_error

Array = NDArray[np.float64]

SHARE = 0.1
"""Of the epochs: what paper 1's Appendix E calls enough."""

_DRAWS = 2_000
_MOST_EPOCHS = 30
_PLACE = "final_test_loss"  # a column of the runs that carries their place through the choice of those that count


@dataclass(frozen=True)
class _Histories:
    """The epochs of the runs of a study that count.

    Attributes:
        finals: Column -> final metric, shape (n, k).
        partial: Metric -> after each epoch, shape (epochs, n, k).
        is_census: Whether the combinations are all there are.
    """

    finals: dict[str, Array]
    partial: dict[str, Array]
    is_census: bool


def partial_retraining(
    runs: pd.DataFrame, *, final: str = "last", metric: str = "both", draws: int = _DRAWS, seed: int = 0
) -> pd.DataFrame:
    """The agreement of the metric after e epochs with the final one, for every study whose records have a history.

    Args:
        runs: One row per record.
        final: "last" or "best": what is predicted.
        metric: "accuracy", "loss" or "both".
        draws: Bootstrap resamples.
        seed: Their seed.

    Returns:
        One row per study, metric and epoch (all, or of more than 30 these many, 10 % among them): `study`,
        `setting_hash`, `dense_hash`, `final`, `metric`, `n`, `k`, `epochs` (of the recipe), `epoch` (1 is the first),
        `tau` (Kendall's tau-b between means over the repeats; higher is better) with its 95 % interval `tau_low`,
        `tau_high` (combinations of a sample resampled; retraining noise of a census; NaN where there is none) and
        `tau_other`: the mean of tau-b between the epoch of one repeat and the end of another, which share no noise (NaN
        for k = 1). Empty where there is no history of two epochs.
    """
    rows: list[dict[str, Any]] = []
    for name, study in runs.groupby("study", sort=False):
        found = _histories(study)
        if found is None:
            continue
        told = {"study": name, **{key: study[key].iloc[0] for key in ("setting_hash", "dense_hash")}, "final": final}
        for column, word in metric_columns(final, metric).items():
            finals, epochs = found.finals[column], found.partial[word]
            if np.isnan(finals).any():
                continue
            size = {"n": len(finals), "k": finals.shape[1], "epochs": len(epochs)}
            for epoch in _epochs(len(epochs)):
                numbers = _agreement(epochs[epoch - 1], finals, found.is_census, draws, seed)
                rows.append({**told, "metric": word, **size, "epoch": epoch, **numbers})
    return pd.DataFrame(rows)


def mean_partial_retraining(table: pd.DataFrame) -> pd.DataFrame:
    """The mean of `tau` over the dense networks of a setting, at each epoch.

    Args:
        table: From `partial_retraining`.

    Returns:
        One row per setting that at least two dense networks share, metric and epoch: `setting_hash`, `final`, `metric`,
        `epochs`, `epoch`, `networks`, `tau` with its t-interval (NaN for fewer than 3 networks), `tau_other`.
    """
    rows = []
    keys = ["setting_hash", "final", "metric", "epochs", "epoch"]
    for names, group in table.dropna(subset=["tau"]).groupby(keys, sort=False) if len(table) else ():
        if len(group) < 2 or group["dense_hash"].nunique() < len(group):
            continue
        told: dict[str, Any] = dict(zip(keys, names, strict=True))
        mean = mean_over_networks(group["tau"].to_numpy(float), "tau")
        rows.append({**told, "networks": len(group), **mean, "tau_other": group["tau_other"].mean(skipna=False)})
    return pd.DataFrame(rows)


def _histories(study: pd.DataFrame) -> _Histories | None:
    lengths = {len(history) for history in study.loc[study["status"] == "ok", "history"]}
    if len(lengths) != 1 or min(lengths) < 2:
        return None
    runs = checked(study[study["picked_by"].isna()])
    counted = counted_runs(outcomes(runs))
    marked = runs.assign(**{_PLACE: np.arange(len(runs), dtype=float)})
    places = counted_runs(outcomes(marked)).finals[_PLACE]
    whole = np.isfinite(places).all(axis=1)
    places = places[whole].astype(int)
    if len(places) < 2:
        return None
    histories: Sequence[Any] = list(runs["history"])
    partial = {
        word: np.array([[[epoch[f"test_{word}"] for epoch in histories[i]] for i in row] for row in places])
        for word in ("accuracy", "loss")
    }
    return _Histories(
        {name: values[whole] for name, values in counted.finals.items()},
        {word: np.moveaxis(values, 2, 0) for word, values in partial.items()},
        counted.space.is_enumerated,
    )


def partial_epoch(epochs: int, share: float = SHARE) -> int:
    """The epoch after which a share of the retraining is done; 1 is the first."""
    return max(1, round(share * epochs))


def _epochs(count: int) -> list[int]:
    if count <= _MOST_EPOCHS:
        return list(range(1, count + 1))
    spread = np.unique(np.round(np.geomspace(1, count, _MOST_EPOCHS)).astype(int))
    return sorted({*spread.tolist(), *(partial_epoch(count, share) for share in (SHARE, 0.25, 0.5))})


def _agreement(partial: Array, finals: Array, census: bool, draws: int, seed: int) -> dict[str, float]:
    means = mean_of_repeats(partial), mean_of_repeats(finals)
    k = finals.shape[1]
    tau = kendall(*means)[0]
    row = {"tau": tau, "tau_low": np.nan, "tau_high": np.nan, "tau_other": np.nan}
    if census:
        error, freedom = joint_error(partial, finals)
        reach = error * student.ppf(0.975, freedom)
        row |= {"tau_low": max(-1.0, tau - reach), "tau_high": min(1.0, tau + reach)} if reach == reach else {}
    elif len(finals) >= LEAST:
        row |= ends("tau", kendall_draws([means], draws, seed)[:, 0])
    if k > 1:
        pairs = [(r, q) for r in range(k) for q in range(k) if r != q]
        row["tau_other"] = float(np.mean([kendall(partial[:, r], finals[:, q])[0] for r, q in pairs]))
    return row
