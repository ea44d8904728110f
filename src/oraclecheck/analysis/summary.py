"""Every number about one study and one metric, with its interval."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oraclecheck.analysis.metrics import HIGHER_IS_BETTER, METRIC_COLUMNS
from oraclecheck.analysis.outcomes import Counted, Outcomes
from oraclecheck.analysis.rounding import magnitude
from oraclecheck.analysis.statistics.choice import anomaly_of_census, anomaly_of_sample, regret
from oraclecheck.analysis.statistics.correlation import (
    VALID_AGREEMENT,
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
from oraclecheck.analysis.statistics.intervals import noise_and_intervals
from oraclecheck.analysis.statistics.permutation import RELABELLINGS, permutation_p, relabellings
from oraclecheck.analysis.statistics.repeats import mean_of_repeats
from oraclecheck.analysis.verdict import Evidence, verdict
from oraclecheck.records.combination_key import knows_filters

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
        kind: "enumerated" (the study walks through all there are: a census if none is missing), "sampled" (in random
            order) or "unknown".
        size: Combinations there are; None if not known.
        missing: Combinations without an outcome: of the space if it is enumerated and its size known, otherwise of
            those that were started.
    """

    kind: str
    size: int | None
    missing: int

    @property
    def is_part(self) -> bool:
        """Whether the combinations are a part of an enumerated space: in no way a random sample of it."""
        return self.kind == "enumerated" and (self.size is None or self.missing > 0)


def space_of(outcomes: Outcomes) -> Space:
    """How the combinations of a study were chosen, from the order and size that its records give and nothing else."""
    order = outcomes.first.iloc[0]["order"] if len(outcomes.first) else None
    sizes = outcomes.first["space_size"].dropna()
    size = int(sizes.iloc[0]) if len(sizes) else None
    n, started = int((outcomes.k > 0).sum()), len(outcomes.first)
    if order == "lexicographic" or n == size:
        return Space("enumerated", size, (started if size is None else size) - n)
    return Space("sampled" if order == "sampled" else "unknown", size, started - n)


def counted_runs(outcomes: Outcomes) -> tuple[Counted, Space]:
    """The runs that every statistic rests on, and the space with the combinations that do not count as missing."""
    space = space_of(outcomes)
    counted = outcomes.counted(census=space.kind == "enumerated")
    left_out = int((outcomes.k > 0).sum()) - len(counted.score)
    return counted, replace(space, missing=space.missing + left_out)


def summarise(outcomes: Outcomes, column: str, *, draws: int, seed: int) -> dict[str, Any]:
    """The columns `STATISTICS` and `note` for one metric of one study.

    Args:
        outcomes: Of the study, without the combinations that a criterion picked.
        column: Metric column, such as "final_test_accuracy".
        draws: Bootstrap resamples.
        seed: Seed of resamples and relabellings.
    """
    higher_is_better = HIGHER_IS_BETTER[METRIC_COLUMNS[column]]
    counted, space = counted_runs(outcomes)
    score, finals = counted.score, counted.finals[column]
    if len(score) < 2:
        sentence = f"statistics need at least 2 combinations with an outcome; there are {len(score)}"
        return {**_nothing(), "verdict": "undecided", "reason": f"sample: {sentence}", "note": sentence}
    row = _nothing()
    final = mean_of_repeats(finals)
    notes = _agreement(row, score, final, space, higher_is_better)
    row["agreement_without_diverged"] = _without_diverged(score, final, higher_is_better)
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
    if space.is_part and not _beyond_doubt(row, space):
        row["verdict"], row["reason"] = "undecided", _part(len(score), space)
    if row["verdict"] == "valid":
        row["reason"] += _conditions(space, by_scipy=np.isnan(row["p_permutation"]))
    return {**row, "note": "; ".join(note for note in notes if note)}


def unbelievable(error: str) -> dict[str, Any]:
    """The columns of `summarise` for a study whose records contradict each other: no number, and why."""
    return {**_nothing(), "verdict": "undecided", "reason": f"error: {error}", "note": ""}


def _nothing() -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(STATISTICS, np.nan)
    return row | {**dict.fromkeys(["valid", *PAIR_COUNTS]), "interval": "none", "ceiling_n": 0, "collapsed": 0}


def _beyond_doubt(row: dict[str, Any], space: Space) -> bool:
    """Whether s would lie on the same side of 0.2 whatever the missing combinations show."""
    ends = row["agreement_missing_low"], row["agreement_missing_high"]
    return space.size is not None and len({end > VALID_AGREEMENT for end in ends}) == 1


def _part(n: int, space: Space) -> str:
    of = "an unknown number" if space.size is None else magnitude(space.size)
    return f"sample: {n:,} of {of} combinations in lexicographic order are no random sample of them"


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


def _without_diverged(score: NDArray[np.float64], final: NDArray[np.float64], higher_is_better: bool) -> float:
    rest = np.isfinite(score) & np.isfinite(final)
    tau = kendall(score[rest], final[rest])[0] if rest.sum() > 1 else np.nan
    return signed(tau, higher_is_better=higher_is_better)


def _permutation(
    outcomes: Outcomes, score: NDArray[np.float64], final: NDArray[np.float64], space: Space, seed: int
) -> tuple[float, str]:
    if space.missing:
        of = "an unknown number of" if space.size is None else magnitude(space.size)
        return np.nan, f"no filter-permutation p: {magnitude(space.missing)} of {of} combinations are missing"
    if not all(map(knows_filters, outcomes.keys)):
        return np.nan, "no filter-permutation p: the removed filters are not known"
    try:
        targets = relabellings([dict(key) for key in outcomes.keys], RELABELLINGS, seed)
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
        notes.append("no regret: some repeat of the criterion's choice diverged")
    if not census:
        ends = anomaly_of_sample(better * len(score), len(score))
        row |= dict(zip(("anomaly_low", "anomaly_high"), ends, strict=True))
    return row, notes
