"""Several criteria over the same combinations of the same retrainings: each by itself, and every two in pairs."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student
from scipy.stats import ttest_1samp

from oraclecheck.analysis.contradiction import contradiction
from oraclecheck.analysis.criterion import Criterion
from oraclecheck.analysis.metrics import HIGHER_IS_BETTER, metric_columns
from oraclecheck.analysis.networks import LEAST as LEAST_NETWORKS
from oraclecheck.analysis.networks import mean_over_networks
from oraclecheck.analysis.outcomes import checked, outcomes
from oraclecheck.analysis.space import Counted, counted_runs
from oraclecheck.analysis.statistics.balance import mean_of_repeats
from oraclecheck.analysis.statistics.bootstrap import DRAWS, kendall_draws
from oraclecheck.analysis.statistics.correlation import agreement, signed
from oraclecheck.analysis.statistics.intervals import LEAST, ends
from oraclecheck.analysis.statistics.multiplicity import holm
from oraclecheck.analysis.statistics.permutation import RELABELLINGS, difference_p, relabellings
from oraclecheck.analysis.statistics.ranking import mean_draws, noisy_draws, rank_intervals, ranks
from oraclecheck.analysis.statistics.retraining_noise import agreement_covariance, difference_error
from oraclecheck.analysis.tables import correlate
from oraclecheck.records.combination_key import knows_filters

Array = NDArray[np.float64]


def judge(
    runs: pd.DataFrame, criteria: Sequence[Criterion], *, final: str = "last", metric: str = "both", draws: int = DRAWS,
    seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """One row per study, criterion and metric: the rows of `tables.correlate` for each criterion, and its rank.

    Args:
        runs: One row per record, with the columns of a record and of every criterion.
        criteria: What is judged.
        final: "last" or "best", as for `correlate`.
        metric: "accuracy", "loss" or "both".
        draws: Bootstrap resamples, the same for every criterion.
        seed: Their seed.

    Returns:
        Besides the columns of `correlate`: `rank` of the criterion among these (1 for the greatest s; equal ones share
        the best of theirs) with its 95 % interval `rank_low`, `rank_high`, from the same draws as the intervals of s:
        combinations of a sample, retraining noise of a census; NaN where s has no interval.
    """
    asked: dict[str, Any] = {"final": final, "metric": metric, "draws": draws, "seed": seed}
    table = pd.concat([correlate(runs, criterion=each, **asked) for each in criteria], ignore_index=True)
    placed = _ranks(runs, criteria, **asked)
    keys = zip(table["study"], table["metric"], table["criterion"], strict=True)
    nothing = (np.nan, np.nan, np.nan)
    found = [placed.get(key, nothing) for key in keys]
    return table.assign(**{name: [each[i] for each in found] for i, name in enumerate(RANK)})


RANK = ("rank", "rank_low", "rank_high")


def mean_ranks(table: pd.DataFrame, networks: pd.DataFrame, *, draws: int = DRAWS, seed: int = 0) -> pd.DataFrame:
    """The means over dense networks with the ranks of the criteria by them.

    The interval takes the networks as the t-interval of a mean does: normally distributed, the criteria together.

    Args:
        table: From `judge`.
        networks: Its rows of `across_networks`.
        draws: Of the means.
        seed: Their seed.

    Returns:
        `networks` with the columns `rank`, `rank_low` and `rank_high`, NaN for fewer than 3 networks, or where a
        criterion has no s in one of them.
    """
    found = networks.assign(**dict.fromkeys(RANK, np.nan))
    for _, group in found.groupby(["setting_hash", "final", "metric"], sort=False) if len(found) else ():
        group = group[group["agreement"].notna()]
        if group.empty:
            continue
        studies = table[(table["metric"] == group["metric"].iloc[0]) & table["study"].isin(group["studies"].iloc[0])]
        values = studies.pivot_table(index="study", columns="criterion", values="agreement")[list(group["criterion"])]
        found.loc[group.index, "rank"] = ranks(group["agreement"].to_numpy(float))
        if len(values) >= LEAST_NETWORKS and values.notna().to_numpy().all():
            ends = rank_intervals(mean_draws(values.to_numpy(float), draws, seed))
            found.loc[group.index, "rank_low"], found.loc[group.index, "rank_high"] = ends
    return found


def differences(
    runs: pd.DataFrame, criteria: Sequence[Criterion], *, final: str = "last", metric: str = "both", draws: int = DRAWS,
    seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """How much better every criterion agrees than every other one, over the same combinations.

    The intervals are 95 % ones. Of a sample of combinations: a bootstrap over them, drawn for both criteria together.
    Of a census: retraining noise, both scores being fixed. The p relabels filters, for both criteria at once; Holm's
    adjustment is over the pairs of a study and metric.

    Args:
        runs: See `judge`.
        criteria: At least two.
        final: See `judge`.
        metric: See `judge`.
        draws: See `judge`.
        seed: See `judge`.

    Returns:
        One row per study, metric and pair: `study`, `setting_hash`, `dense_hash`, `final`, `metric`, `criterion_a`,
        `criterion_b`, `n`, `k`, `agreement_a`, `agreement_b`, `difference` (a - b) with `_low` and `_high`, `interval`
        ("combinations", "repeats" or "none"), `p_permutation`, `p_holm`. A study that contradicts itself has none.
    """
    rows: list[dict[str, Any]] = []
    for name, study in runs.groupby("study", sort=False):
        of = {key: study[key].iloc[0] for key in ("setting_hash", "dense_hash")}
        told = {"study": name, **of, "final": final}
        counted = _all_counted(study, criteria)
        if not counted:
            continue
        first = counted[0]
        targets = _targets(first, seed)
        for column, word in metric_columns(final, metric).items():
            finals, higher = first.finals[column], HIGHER_IS_BETTER[word]
            if np.isnan(finals).any():
                continue
            family = []
            for (a, one), (b, other) in combinations(zip(criteria, counted, strict=True), 2):
                scores = (one.score, other.score)
                numbers = _difference(scores, finals, higher, first.space.is_enumerated, draws, seed)
                numbers["p_permutation"] = (
                    np.nan if targets is None else difference_p(*scores, mean_of_repeats(finals), targets)
                )
                pair = {"criterion_a": a.name, "criterion_b": b.name, "n": len(finals), "k": first.k}
                family.append({**told, "metric": word, **pair, **numbers})
            for row, p in zip(family, holm(pd.Series([row["p_permutation"] for row in family])), strict=True):
                rows.append({**row, "p_holm": p})
    return pd.DataFrame(rows)


def mean_differences(pairs: pd.DataFrame) -> pd.DataFrame:
    """What the dense networks of a setting say together of every two criteria: only this speaks about an architecture.

    Args:
        pairs: From `differences`.

    Returns:
        One row per setting that at least two dense networks share, metric and pair: `setting_hash`, `final`, `metric`,
        `criterion_a`, `criterion_b`, `networks`, `difference` (their mean) with its t-interval `_low` and `_high` (NaN
        for fewer than 3 networks), `p` (t-test of a mean of 0), `p_holm` (over the pairs of a setting and metric).
    """
    rows = []
    keys = ["setting_hash", "final", "metric", "criterion_a", "criterion_b"]
    for names, group in pairs.dropna(subset=["difference"]).groupby(keys, sort=False) if len(pairs) else ():
        values = group["difference"].to_numpy(float)
        if len(values) < 2 or group["dense_hash"].nunique() < len(values):
            continue
        spread = values.std(ddof=1) > 0
        p = float(ttest_1samp(values, 0).pvalue) if len(values) >= LEAST_NETWORKS and spread else np.nan
        told: dict[str, Any] = dict(zip(keys, names, strict=True))
        rows.append({**told, "networks": len(values), **mean_over_networks(values, "difference"), "p": p})
    means = pd.DataFrame(rows)
    if len(means):
        means["p_holm"] = means.groupby(["setting_hash", "metric"], sort=False)["p"].transform(holm)
    return means


def _ranks(
    runs: pd.DataFrame, criteria: Sequence[Criterion], *, final: str, metric: str, draws: int, seed: int
) -> dict[tuple[str, str, str], tuple[float, float, float]]:
    """Study, metric and criterion -> its rank and the ends of its interval."""
    found = {}
    for name, study in runs.groupby("study", sort=False):
        if not (counted := _all_counted(study, criteria)):
            continue
        scores, finals_of = [each.score for each in counted], counted[0].finals
        for column, word in metric_columns(final, metric).items():
            finals, higher = finals_of[column], HIGHER_IS_BETTER[word]
            if np.isnan(finals).any():
                continue
            means = mean_of_repeats(finals)
            s = np.array([agreement(score, means, higher_is_better=higher) for score in scores])
            if counted[0].space.is_enumerated:
                drawn = noisy_draws(s, agreement_covariance(scores, finals), draws, seed)
            elif len(means) >= LEAST:
                sign = signed(1.0, higher_is_better=higher)
                drawn = sign * kendall_draws([(score, means) for score in scores], draws, seed)
            else:
                drawn = np.full((1, len(s)), np.nan)
            low, high = rank_intervals(drawn)
            for each, *place in zip(criteria, ranks(s), low, high, strict=True):
                found[str(name), word, each.name] = (float(place[0]), float(place[1]), float(place[2]))
    return found


def _all_counted(study: pd.DataFrame, criteria: Sequence[Criterion]) -> list[Counted]:
    """What counts of a study, for each criterion; nothing if it contradicts itself, or has but one combination."""
    found = []
    for criterion in criteria:
        runs = checked(study, criterion)
        if contradiction(runs, criterion):
            return []
        found.append(counted_runs(outcomes(runs[runs["picked_by"].isna()])))
    return [] if len(found[0].score) < 2 else found


def _targets(counted: Counted, seed: int) -> NDArray[np.intp] | None:
    """Relabellings of a census; None where there are none."""
    if not counted.space.is_enumerated or counted.space.missing or not all(map(knows_filters, counted.keys)):
        return None
    try:
        return relabellings([dict(key) for key in counted.keys], RELABELLINGS, seed)
    except (ValueError, KeyError):
        return None


def _difference(
    scores: Sequence[Array], finals: Array, higher_is_better: bool, census: bool, draws: int, seed: int
) -> dict[str, Any]:
    means = mean_of_repeats(finals)
    a, b = (agreement(score, means, higher_is_better=higher_is_better) for score in scores)
    row: dict[str, Any] = {"agreement_a": a, "agreement_b": b, "difference": a - b}
    row |= {"difference_low": np.nan, "difference_high": np.nan, "interval": "none"}
    if census:
        error, freedom = difference_error(scores[0], scores[1], finals)
        if not np.isnan(error):
            reach = error * student.ppf(0.975, freedom)
            row |= {"difference_low": a - b - reach, "difference_high": a - b + reach, "interval": "repeats"}
    elif len(means) >= LEAST:
        taus = kendall_draws([(score, means) for score in scores], draws, seed)
        moved = signed(1.0, higher_is_better=higher_is_better) * (taus[:, 0] - taus[:, 1])
        row |= {**ends("difference", moved), "interval": "combinations"}
    return row
