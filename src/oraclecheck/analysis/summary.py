"""Every number about one study and one metric, with its interval."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oraclecheck.analysis.choice import anomaly_of_census, anomaly_of_sample, regret
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
from oraclecheck.analysis.intervals import noise_and_intervals
from oraclecheck.analysis.outcomes import HIGHER_IS_BETTER, METRIC_COLUMNS, Outcomes, common_repeats
from oraclecheck.analysis.permutation import RELABELLINGS, permutation_p, relabellings
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

# A finite mean is collapsed if it lies this many interquartile ranges beyond the worse quartile: 1 in 100 does in an
# exponential distribution, 1 in 800,000 in a normal one.
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
    census = space.kind == "enumerated"
    options: Any = {"higher_is_better": higher_is_better, "census": census, "draws": draws, "seed": seed}
    intervals, sentences = noise_and_intervals(score, finals, **options)
    row |= intervals
    notes += sentences
    if row["collapsed"] and not np.isnan(row["ceiling"]):
        notes.append(f"{row['collapsed']} combinations have collapsed, so the ceiling may be up to 0.11 too high")
    if space.kind == "unknown":
        notes.append("how the combinations were chosen is not known: intervals take them as a random sample")
    choice, sentences = _choice(score, finals, row["anomaly_ratio"], **options)
    row |= choice
    notes += sentences
    p = row["p"] if np.isnan(row["p_permutation"]) else row["p_permutation"]
    evidence = Evidence(
        s=row["agreement"],
        s_low=row["agreement_low"],
        s_high=row["agreement_high"],
        p=p,
        rho_k_low=row["rho_k_low"],
        noise_free_high=row["noise_free_high"],
        k=finals.shape[1] if row["ceiling_n"] > 1 else 1,
        census=census,
    )
    row["verdict"], row["reason"] = verdict(evidence)
    if row["verdict"] == "valid":
        row["reason"] += _conditions(space, by_scipy=np.isnan(row["p_permutation"]))
    return {**row, "note": "; ".join(note for note in notes if note)}


def _conditions(space: Space, *, by_scipy: bool) -> str:
    """What a verdict of validity takes for granted, to be said with it."""
    taken = []
    if space.kind == "unknown":
        taken.append("that these combinations are a random sample")
    if by_scipy:
        taken.append("with scipy's p, that they are independent, though they share filters")
    return f"; it takes for granted {' and, '.join(taken)}" if taken else ""


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
        return 0
    lower, upper = np.quantile(finite, [0.25, 0.75])
    return int((finite < lower - _COLLAPSED * (upper - lower)).sum())


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


def _choice(
    score: NDArray[np.float64],
    finals: NDArray[np.float64],
    better: float,
    *,
    higher_is_better: bool,
    census: bool,
    draws: int,
    seed: int,
) -> tuple[dict[str, float], list[str]]:
    finals = common_repeats(finals)
    complete = np.asarray(np.isfinite(finals).all(axis=1))
    row: dict[str, float] = {}
    notes = []
    if finals.shape[1] > 1 and complete.sum() > 1 and complete[score == score.min()].all():
        measured = score[complete], finals[complete]
        found = regret(*measured, higher_is_better=higher_is_better, draws=draws, seed=seed)
        row |= {"regret": found.value, "regret_low": found.low, "regret_high": found.high}
        if census:
            ends = anomaly_of_census(*measured, higher_is_better=higher_is_better)
            row |= dict(zip(("anomaly_low", "anomaly_high"), ends, strict=True))
    elif finals.shape[1] > 1:
        notes.append("no regret: some repeat of the criterion's choice is missing or diverged")
    if not census:
        ends = anomaly_of_sample(better * len(score), len(score))
        row |= dict(zip(("anomaly_low", "anomaly_high"), ends, strict=True))
    return row, notes
