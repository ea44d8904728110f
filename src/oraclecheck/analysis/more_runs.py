"""What further runs would narrow: components of variance, and the interval over dense networks that they foretell."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oraclecheck.analysis.criterion import ORACLE, Criterion
from oraclecheck.analysis.metrics import metric_columns
from oraclecheck.analysis.networks import LEAST
from oraclecheck.analysis.outcomes import checked, outcomes
from oraclecheck.analysis.space import counted_runs
from oraclecheck.analysis.statistics.components import Agreements, Components
from oraclecheck.study.identity import SETTING

_NORMAL = 1.96


def variance_components(runs: pd.DataFrame, table: pd.DataFrame, criterion: Criterion = ORACLE) -> pd.DataFrame:
    """Where the variance of the final metric, and that of s over dense networks, comes from.

    Args:
        runs: One row per record.
        table: Their rows of `tables.correlate`.
        criterion: Whose s it is.

    Returns:
        One row per setting and metric whose combinations have at least two repeats: what the setting is, `final`,
        `metric`, `studies` (list), `networks`, `n` (of a network, the least), `k`, the shares of the metric's variance
        `share_network` (NaN of one network), `share_combination` and `share_repeat`, `rho_anova` (the share that is not
        noise in a mean of k repeats, mean over networks) beside `rho_k` (from ranks) with the ends `rho_k_low` and
        `rho_k_high` (means of the networks'), and of the standard deviation of s over networks, `s_spread`, the parts
        `s_known` (from n and k, by the networks' own intervals) and `s_rest` (that only more networks average out).
    """
    rows = []
    for group, finals in _settings(runs, table, criterion):
        first = group.iloc[0]
        if finals[0].shape[1] < 2:
            continue
        components, k = Components.of(finals), finals[0].shape[1]
        parts = {name: getattr(components, name) for name in ("network", "combination", "repeat")}
        total = np.nansum(list(parts.values()))
        known = _agreements(group, min(map(len, finals)))
        rows.append(
            {
                **{name: first[name] for name in ("setting_hash", *SETTING, "final", "metric")},
                **{"studies": list(group["study"]), "networks": len(group), "n": min(map(len, finals)), "k": k},
                **{f"share_{name}": value / total if total else np.nan for name, value in parts.items()},
                "rho_anova": float(np.mean([Components.of([each]).reliability(k) for each in finals])),
                **{name: group[name].astype(float).mean() for name in ("rho_k", "rho_k_low", "rho_k_high")},
                "s_spread": float(group["agreement"].std(ddof=1)),
                "s_known": np.sqrt(known.known),
                "s_rest": np.sqrt(known.rest),
            }
        )
    return pd.DataFrame(rows)


def more_runs(runs: pd.DataFrame, table: pd.DataFrame, criterion: Criterion = ORACLE) -> pd.DataFrame:
    """By how much further runs would narrow the interval of the mean of s over dense networks, and what they cost.

    Args:
        runs: See `variance_components`.
        table: See `variance_components`.
        criterion: See `variance_components`.

    Returns:
        Rows of each setting of at least two dense networks, and metric, the most for an hour first: `setting_hash`, the
        columns of a setting, `final`, `metric`, `more` ("networks": one, "combinations": twice as many in a sampled
        space, or "repeats": one of everything), the design that it leads to, `networks`, `n` and `k`, `now` and `then`
        (half the width of the interval; now NaN for two networks, whose interval is not shown), `runs` that it takes,
        `hours` of one worker (without training the dense network; NaN where no record has a duration) and `an_hour`:
        now minus then, divided by the hours, NaN where one is not known.
    """
    rows = []
    hours = runs.loc[runs["status"] == "ok"].groupby("study")["duration_total"].mean() / 3600
    for group, finals in _settings(runs, table, criterion):
        m, n, k = len(group), min(map(len, finals)), finals[0].shape[1]
        if m < 2:
            continue
        known, first = _agreements(group, n), group.iloc[0]
        now = known.half_width(m, n, k)
        for more, design, count in _designs(m, n, k, group):
            then, took = known.half_width(*design), count * float(hours.reindex(group["study"]).mean())
            gain = (now - then) / took if took > 0 else np.nan
            rows.append(
                {
                    **{name: first[name] for name in ("setting_hash", *SETTING, "final", "metric")},
                    **{"more": more, **dict(zip(("networks", "n", "k"), design, strict=True))},
                    **{"now": now, "then": then, "runs": count, "hours": took, "an_hour": gain},
                }
            )
    if not rows:
        return pd.DataFrame()
    found = pd.DataFrame(rows)
    place = found.groupby(["setting_hash", "metric"], sort=False).ngroup()
    return found.assign(_place=place).sort_values(["_place", "an_hour"], ascending=[True, False]).drop(columns="_place")


def _designs(m: int, n: int, k: int, group: pd.DataFrame) -> Iterator[tuple[str, tuple[int, int, int], int]]:
    """What could be run, the design it leads to, and the runs that it takes."""
    yield "networks", (max(m + 1, LEAST), n, k), (max(m + 1, LEAST) - m) * n * k
    if (group["space"] == "sampled").all():
        size = group["space_size"].iloc[0]
        twice = 2 * n if pd.isna(size) else min(2 * n, int(size))
        if twice > n:
            yield "combinations", (m, twice, k), m * (twice - n) * k
    yield "repeats", (m, n, k + 1), m * n


def _settings(
    runs: pd.DataFrame, table: pd.DataFrame, criterion: Criterion
) -> Iterator[tuple[pd.DataFrame, list[NDArray[np.float64]]]]:
    """Rows of studies that differ only in their dense network, with the finals of each; as many repeats everywhere."""
    usable = table[table["setting_hash"].notna() & table["agreement"].notna() & (table["n"] >= 2)]
    counted = {}
    for name, study in runs[runs["study"].isin(usable["study"])].groupby("study", sort=False):
        unpicked = study[study["picked_by"].isna()]
        counted[name] = counted_runs(outcomes(checked(unpicked, criterion))).finals
    for _, group in usable.groupby(["setting_hash", "metric"], sort=False):
        first = group.iloc[0]
        (column,) = metric_columns(first["final"], first["metric"])
        finals = [counted[study][column] for study in group["study"]]
        finals = [each[np.isfinite(each).all(axis=1)] for each in finals]
        if group["dense_hash"].nunique() < len(group) or min(map(len, finals)) < 2:
            continue
        k = min(each.shape[1] for each in finals)
        yield group, [each[:, :k] for each in finals]


def _agreements(group: pd.DataFrame, n: int) -> Agreements:
    reach = (group["agreement_high"] - group["agreement_low"]).to_numpy(float) / 2
    rho = group["rho_k"].to_numpy(float)
    census = bool((group["space"] != "sampled").all())
    return Agreements(
        group["agreement"].to_numpy(float), np.square(reach / _NORMAL), rho, n, int(group["k"].min()), census
    )
