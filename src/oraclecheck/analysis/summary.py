"""Every number about one study and one metric, with its interval."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.proportion import proportion_confint

from oraclecheck.analysis.metrics import HIGHER_IS_BETTER, METRIC_COLUMNS
from oraclecheck.analysis.rounding import magnitude
from oraclecheck.analysis.space import Counted, Space
from oraclecheck.analysis.statistics import correlation
from oraclecheck.analysis.statistics.balance import mean_of_repeats
from oraclecheck.analysis.statistics.choice import anomaly_of_census, anomaly_ratio, regret
from oraclecheck.analysis.statistics.intervals import noise_and_intervals
from oraclecheck.analysis.statistics.pairs import counterexamples, tie_share
from oraclecheck.analysis.statistics.permutation import permutation_p_of
from oraclecheck.analysis.verdict import ALIKE
from oraclecheck.records.combination_key import is_number, knows_filters

Array = NDArray[np.float64]

PAIR_COUNTS = ["counterexamples", "pairs", "tied_score", "tied_final"]
STATISTICS = (
    *("agreement", "agreement_low", "agreement_high", "interval", "tau", "p", "valid", "tau_a", "spearman", "pearson"),
    *("agreement_without_diverged", "agreement_missing_low", "agreement_missing_high"),
    *("repeat_tau", "rho_1", "rho_k", "rho_k_low", "rho_k_high", "ceiling", "ceiling_low", "ceiling_high", "ceiling_n"),
    *("noise_free", "noise_free_low", "noise_free_high", "collapsed", "p_permutation"),
    *("anomaly_ratio", "anomaly_low", "anomaly_high", "regret", "regret_low", "regret_high"),
    *("counterexample_ratio", *PAIR_COUNTS, "tie_share"),
)

# A finite mean is collapsed if it lies this many interquartile ranges beyond the worse quartile: 1 in 100 does in an
# exponential distribution, 1 in 800,000 in a normal one.
_COLLAPSED = 3.0


def summarise(counted: Counted, column: str, *, cells: int, draws: int, seed: int) -> dict[str, Any]:
    """The columns `STATISTICS` and `note` for one metric of one study.

    Args:
        counted: The runs of the study that count.
        column: Metric column, such as "final_test_accuracy".
        cells: Studies that are judged together.
        draws: Bootstrap resamples.
        seed: Seed of resamples and relabellings.
    """
    score, finals, space = counted.score, counted.finals[column], counted.space
    if len(score) < 2:
        sentence = f"statistics need at least 2 combinations with an outcome; there are {len(score)}"
        return {**nothing(), "note": sentence}
    higher_is_better, final = HIGHER_IS_BETTER[METRIC_COLUMNS[column]], mean_of_repeats(finals)
    options: Any = {"higher_is_better": higher_is_better, "census": space.is_enumerated, "draws": draws, "seed": seed}
    row = nothing() | _agreement(score, final, space, higher_is_better)
    row["p_permutation"], no_p = _permutation(counted, final, cells, seed)
    intervals, no_intervals = noise_and_intervals(score, finals, **options)
    row |= intervals
    if row["rho_k_low"] == 0:
        row |= dict.fromkeys(("noise_free", "noise_free_low", "noise_free_high"), np.nan)
        no_intervals.append("no agreement without the noise: the repeats may be nothing but noise")
    choice, no_regret = _choice(score, finals, row["anomaly_ratio"], **options)
    row |= choice
    constant = [name for name, values in (("scores", score), ("metric values", final)) if len(set(values)) == 1]
    no_tau = f"tau is not defined: all {' and all '.join(constant)} are equal" if constant else ""
    notes = [no_tau, no_p, *no_intervals]
    if row["collapsed"] and not np.isnan(row["ceiling"]):
        notes.append(f"{row['collapsed']} combinations have collapsed, so the ceiling may be up to 0.11 too high")
    if space.kind == "unknown":
        notes.append("how the combinations were chosen is not known: intervals take them as a random sample")
    return {**row, "note": "; ".join(note for note in [*notes, no_regret] if note)}


def nothing() -> dict[str, Any]:
    """The columns of a study of which nothing can be said."""
    row: dict[str, Any] = {**dict.fromkeys(STATISTICS, np.nan), "note": ""}
    return row | {**dict.fromkeys(["valid", *PAIR_COUNTS]), "interval": "none", "ceiling_n": 0, "collapsed": 0}


def _agreement(score: Array, final: Array, space: Space, higher_is_better: bool) -> dict[str, Any]:
    tau, p = correlation.kendall(score, final)
    s = correlation.signed(tau, higher_is_better=higher_is_better)
    pairs = counterexamples(score, final, higher_is_better=higher_is_better)
    low, high = correlation.agreement_bounds(score, final, space.missing, higher_is_better=higher_is_better)
    linear = correlation.linear_correlations(score, final)
    spearman, pearson = (correlation.signed(r, higher_is_better=higher_is_better) for r in linear)
    rest, without = np.isfinite(score) & np.isfinite(final), np.nan
    if rest.sum() > 1:
        without = correlation.agreement(score[rest], final[rest], higher_is_better=higher_is_better)
    return {
        "agreement": s,
        "tau": tau,
        "p": p,
        "valid": None if np.isnan(tau) else correlation.is_valid(s, p),
        "tau_a": correlation.signed(correlation.kendall_a(score, final), higher_is_better=higher_is_better),
        "spearman": spearman,
        "pearson": pearson,
        "agreement_without_diverged": without,
        "agreement_missing_low": low if space.missing else s,
        "agreement_missing_high": high if space.missing else s,
        "anomaly_ratio": anomaly_ratio(score, final, higher_is_better=higher_is_better),
        "counterexample_ratio": pairs.counterexamples / pairs.pairs,
        **vars(pairs),
        "tie_share": tie_share(final),
        "collapsed": _collapsed(final if higher_is_better else -final),
    }


def _collapsed(merit: Array) -> int:
    finite = merit[np.isfinite(merit)]
    if len(finite) == 0:
        return 0
    lower, upper = np.quantile(finite, [0.25, 0.75])
    return int((finite < lower - _COLLAPSED * (upper - lower)).sum())


def _permutation(counted: Counted, final: Array, cells: int, seed: int) -> tuple[float, str]:
    """The filter-permutation p of a census, or why there is none."""
    space = counted.space
    if not any(map(is_number, counted.keys)) and not any(map(knows_filters, counted.keys)):
        return np.nan, ALIKE
    if not space.is_enumerated:
        return np.nan, ""
    of = "an unknown number of" if space.size is None else magnitude(space.size)
    lacking = f"no filter-permutation p: {magnitude(space.missing)} of {of} combinations are missing"
    if space.size is None or space.kind == "part":
        return np.nan, lacking
    if not all(map(knows_filters, counted.keys)):
        return np.nan, "no filter-permutation p: the removed filters are not known"
    try:
        removed = [dict(key) for key in counted.keys]
        return permutation_p_of(counted.score, final, removed, cells=cells, seed=seed, size=space.size), ""
    except (ValueError, KeyError):
        flaw = "no filter-permutation p: the removed filters are not those of all combinations"
        return np.nan, lacking if space.missing else flaw


def _choice(
    score: Array, finals: Array, better: float, *, higher_is_better: bool, census: bool, draws: int, seed: int
) -> tuple[dict[str, float], str]:
    """Regret and the interval of the anomaly ratio, and why there is no regret."""
    row, note = {}, ""
    if not census:
        # Wilson's interval for the share of the space, given the choice.
        wilson = proportion_confint(better * len(score), len(score), alpha=0.05, method="wilson")
        row["anomaly_low"], row["anomaly_high"] = map(float, wilson)
    complete = np.asarray(np.isfinite(finals).all(axis=1))
    if finals.shape[1] > 1 and complete.sum() > 1 and complete[score == score.min()].all():
        measured = score[complete], finals[complete]
        found = regret(*measured, higher_is_better=higher_is_better, draws=draws, seed=seed)
        row |= zip(("regret", "regret_low", "regret_high"), found, strict=True)
        if census:
            row["anomaly_low"], row["anomaly_high"] = anomaly_of_census(*measured, higher_is_better=higher_is_better)
    elif finals.shape[1] > 1:
        note = "no regret: some repeat of the criterion's choice diverged"
    return row, note
