"""Every number about one study and one metric, with its interval."""

import json
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oraclecheck.analysis.bootstrap import kendall_draws
from oraclecheck.analysis.choice import UNDEFINED, anomaly_of_census, anomaly_of_sample, regret
from oraclecheck.analysis.correlation import (
    agreement_bounds,
    anomaly_ratio,
    counterexamples,
    is_valid,
    kendall,
    kendall_a,
    linear_correlations,
    signed,
    tie_share,
)
from oraclecheck.analysis.outcomes import HIGHER_IS_BETTER, METRIC_COLUMNS, Outcomes
from oraclecheck.analysis.permutation import RELABELLINGS, permutation_p, relabellings
from oraclecheck.analysis.retraining_noise import agreement_error
from oraclecheck.analysis.uncertainty import ceiling, noise_ceiling, noise_free, reliability
from oraclecheck.analysis.verdict import Evidence, verdict
from oraclecheck.pruning.combination import ENUMERATION_LIMIT

PAIR_COUNTS = ["counterexamples", "pairs", "tied_score", "tied_final"]
STATISTICS = (
    *("agreement", "agreement_low", "agreement_high", "interval", "tau", "p", "valid", "tau_a", "spearman", "pearson"),
    *("agreement_without_diverged", "agreement_missing_low", "agreement_missing_high"),
    *("repeat_tau", "rho_1", "rho_k", "rho_k_low", "rho_k_high", "ceiling", "ceiling_low", "ceiling_high", "ceiling_n"),
    *("noise_free", "noise_free_low", "noise_free_high", "collapsed", "p_permutation", "verdict", "reason"),
    *("anomaly_ratio", "anomaly_low", "anomaly_high", "regret", "regret_low", "regret_high"),
    *("counterexample_ratio", *PAIR_COUNTS, "tie_share"),
)

# Two standard errors of a normal distribution.
_REACH = 1.959963984540054

# A mean is collapsed if it lies this many interquartile ranges beyond the worse quartile: far out even for the
# exponential distribution, where 1 in 200 lies beyond 3 and 1 in 5,000 beyond 6.
_COLLAPSED = 3.0


@dataclass(frozen=True)
class Space:
    """How the combinations of a study were chosen.

    Attributes:
        kind: "enumerated" (a census of the network's combinations), "sampled" or "unknown".
        size: Combinations there are; None if not known.
        missing: Combinations without an outcome: of the space if enumerated, otherwise of those that were started.
    """

    kind: str
    size: int | None
    missing: int


def space_of(outcomes: Outcomes) -> Space:
    """How the combinations of a study were chosen, from the order and size that its records give."""
    order = outcomes.first.iloc[0]["order"] if len(outcomes.first) else None
    sizes = outcomes.first["space_size"].dropna()
    size = int(sizes.iloc[0]) if len(sizes) else None
    n, started = int((outcomes.k > 0).sum()), len(outcomes.first)
    small = order == "lexicographic" and size is not None and size <= ENUMERATION_LIMIT
    if small or n == size:
        return Space("enumerated", size, (size or n) - n)
    return Space("sampled" if order == "sampled" else "unknown", size, started - n)


def summarise(outcomes: Outcomes, column: str, *, draws: int, seed: int) -> dict[str, Any]:
    """The columns `STATISTICS` and `note` for one metric of one study.

    Args:
        outcomes: Of the study, without the combinations that a criterion picked.
        column: Metric column, such as "final_test_accuracy".
        draws: Bootstrap resamples.
        seed: Seed of resamples and relabellings.
    """
    higher_is_better = HIGHER_IS_BETTER[METRIC_COLUMNS[column]]
    space = space_of(outcomes)
    there = outcomes.k > 0
    row: dict[str, Any] = dict.fromkeys(STATISTICS, np.nan)
    row |= {**dict.fromkeys(["valid", *PAIR_COUNTS]), "interval": "none", "ceiling_n": 0, "collapsed": 0}
    if there.sum() < 2:
        sentence = f"statistics need at least 2 combinations with an outcome; there are {there.sum()}"
        return {**row, "verdict": "undecided", "reason": f"sample: {sentence}", "note": sentence}
    score, finals = outcomes.score[there], outcomes.finals[column][there]
    final = outcomes.means(column)[there]
    notes = _agreement(row, score, final, space, higher_is_better)
    row["agreement_without_diverged"] = _without_diverged(outcomes, column, higher_is_better)
    if space.kind == "enumerated":
        row["p_permutation"], note = _permutation(outcomes, score, final, space, seed)
        notes.append(note)
    complete = np.asarray(np.isfinite(finals).all(axis=1) & (finals.shape[1] > 1))
    notes += _noise(row, score, finals, final, complete, space, higher_is_better, draws, seed)
    _choice(row, score, finals, complete, space, higher_is_better)
    p = row["p"] if np.isnan(row["p_permutation"]) else row["p_permutation"]
    evidence = Evidence(
        s=row["agreement"],
        s_low=row["agreement_low"],
        s_high=row["agreement_high"],
        p=p,
        rho_k_low=row["rho_k_low"],
        noise_free_high=row["noise_free_high"],
        k=finals.shape[1] if complete.sum() > 1 else 1,
        census=space.kind == "enumerated",
    )
    row["verdict"], row["reason"] = verdict(evidence)
    return {**row, "note": "; ".join(note for note in notes if note)}


def _agreement(
    row: dict[str, Any],
    score: NDArray[np.float64],
    final: NDArray[np.float64],
    space: Space,
    higher_is_better: bool,
) -> list[str]:
    tau, p = kendall(score, final)
    s = signed(tau, higher_is_better=higher_is_better)
    pairs = counterexamples(score, final, higher_is_better=higher_is_better)
    low, high = agreement_bounds(score, final, space.missing, higher_is_better=higher_is_better)
    spearman, pearson = (signed(r, higher_is_better=higher_is_better) for r in linear_correlations(score, final))
    row |= {
        "agreement": s,
        "tau": tau,
        "p": p,
        "valid": None if np.isnan(tau) else is_valid(s, p),
        "tau_a": kendall_a(score, final),
        "spearman": spearman,
        "pearson": pearson,
        "agreement_missing_low": low if space.missing else s,
        "agreement_missing_high": high if space.missing else s,
        "anomaly_ratio": anomaly_ratio(score, final, higher_is_better=higher_is_better),
        "counterexample_ratio": pairs.ratio,
        "counterexamples": pairs.counterexamples,
        "pairs": pairs.pairs,
        "tied_score": pairs.tied_score,
        "tied_final": pairs.tied_final,
        "tie_share": tie_share(final),
        "collapsed": _collapsed(final if higher_is_better else -final),
    }
    constant = [name for name, values in (("scores", score), ("metric values", final)) if len(set(values)) == 1]
    return [f"tau is not defined: all {' and all '.join(constant)} are equal"] if constant else []


def _collapsed(merit: NDArray[np.float64]) -> int:
    finite = merit[np.isfinite(merit)]
    if len(finite) == 0:
        return len(merit)
    lower, upper = np.quantile(finite, [0.25, 0.75])
    return int((merit < lower - _COLLAPSED * (upper - lower)).sum())


def _without_diverged(outcomes: Outcomes, column: str, higher_is_better: bool) -> float:
    rest = (outcomes.k > 0) & np.isfinite(outcomes.score) & np.isfinite(outcomes.means(column))
    tau = kendall(outcomes.score[rest], outcomes.means(column)[rest])[0] if rest.sum() > 1 else np.nan
    return signed(tau, higher_is_better=higher_is_better)


def _permutation(
    outcomes: Outcomes, score: NDArray[np.float64], final: NDArray[np.float64], space: Space, seed: int
) -> tuple[float, str]:
    if space.missing:
        return np.nan, f"no filter-permutation p: {space.missing} of {space.size} combinations are missing"
    removed = [json.loads(value) if isinstance(value, str) else value for value in outcomes.first["removed"]]
    if not all(isinstance(value, dict) and value for value in removed):
        return np.nan, "no filter-permutation p: the removed filters are not known"
    try:
        targets = relabellings(removed, RELABELLINGS, seed)
    except (ValueError, KeyError):
        return np.nan, "no filter-permutation p: the removed filters are not those of all combinations"
    return permutation_p(score, final, targets), ""


def _noise(
    row: dict[str, Any],
    score: NDArray[np.float64],
    finals: NDArray[np.float64],
    final: NDArray[np.float64],
    complete: NDArray[np.bool_],
    space: Space,
    higher_is_better: bool,
    draws: int,
    seed: int,
) -> list[str]:
    """The intervals of the agreement, the ceiling and the noise-free agreement; what is not defined, in sentences."""
    k, notes = finals.shape[1], []
    pairs = [(score, final)]
    repeats = np.where(complete[:, None], finals, np.nan)
    estimate = noise_ceiling(finals[complete]) if complete.sum() > 1 else None
    if estimate is not None and not np.isnan(estimate.t):
        pairs += [(repeats[:, r], repeats[:, q]) for r, q in combinations(range(k), 2)]
    taus = kendall_draws(pairs, draws, seed) if len(pairs) > 1 or space.kind != "enumerated" else None
    agreements = None if taus is None else (-taus[:, 0] if higher_is_better else taus[:, 0])
    if space.kind != "enumerated" and agreements is not None:
        row["agreement_low"], row["agreement_high"] = _interval(agreements)
        row["interval"] = "combinations"
        if space.kind == "unknown":
            notes.append("how the combinations were chosen is not known: intervals take them as a random sample")
    elif k > 1 and not np.isnan(error := agreement_error(score, finals)):
        s = row["agreement"]
        row["agreement_low"], row["agreement_high"] = max(-1, s - _REACH * error), min(1, s + _REACH * error)
        row["interval"] = "repeats"
    else:
        notes.append("all combinations were retrained once: without repeats there is no interval")
    if estimate is None:
        notes.append(
            f"no noise ceiling: it needs 2 combinations with all {k} repeats; there are {complete.sum()}"
            if k > 1
            else "no repeats, so no noise ceiling"
        )
        return notes
    row["ceiling_n"] = int(complete.sum())
    if np.isnan(estimate.t):
        notes.append("no noise ceiling: in one repeat all metric values are equal")
        return notes
    row |= {"repeat_tau": estimate.t, "rho_1": estimate.rho_1, "rho_k": estimate.rho_k, "ceiling": estimate.s_max}
    assert taus is not None and agreements is not None
    rho_k = reliability(taus[:, 1:].mean(axis=1), k)[1]
    row["rho_k_low"], row["rho_k_high"] = _interval(rho_k)
    row["ceiling_low"], row["ceiling_high"] = (float(ceiling(row[name])) for name in ("rho_k_low", "rho_k_high"))
    row["noise_free"] = float(noise_free(row["agreement"], estimate.rho_k))
    row["noise_free_low"], row["noise_free_high"] = _interval(noise_free(agreements, rho_k))
    return notes


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.nanquantile(values, [0.025, 0.975]) if not np.isnan(values).all() else (np.nan, np.nan)
    return float(low), float(high)


def _choice(
    row: dict[str, Any],
    score: NDArray[np.float64],
    finals: NDArray[np.float64],
    complete: NDArray[np.bool_],
    space: Space,
    higher_is_better: bool,
) -> None:
    chosen_is_complete = complete[score == score.min()].all()
    enough = complete.sum() > 1 and chosen_is_complete
    estimate = regret(score[complete], finals[complete], higher_is_better=higher_is_better) if enough else UNDEFINED
    row |= {"regret": estimate.value, "regret_low": estimate.low, "regret_high": estimate.high}
    if space.kind != "enumerated":
        row["anomaly_low"], row["anomaly_high"] = anomaly_of_sample(row["anomaly_ratio"] * len(score), len(score))
    elif enough:
        row["anomaly_low"], row["anomaly_high"] = anomaly_of_census(
            score[complete], finals[complete], higher_is_better=higher_is_better
        )
