"""Intervals of the agreement, the noise ceiling and the noise-free agreement, for a sample and for a census.

They are meant to hold the truth in 95 % of studies. Measured in simulations with known truth, in percent: the lowest
and the highest coverage of four settings (correlation of score and true metric 0 and 0.6, reliability of one repeat 0.3
and 0.8), with a Monte Carlo error of 0.5 to 1.3. Each setting by itself, with its error, is in
tests/support/interval_coverage.csv, which interval_coverage.py beside it measures; the tests measure again. Worlds:
normal metrics; exponential ones; log-normal ones, where a few combinations collapse; normal ones in steps of a quarter
of their standard deviation, which tie; sums of filter effects.

                        agreement             rho_k                 noise-free
    n, k                45, 2  45, 3  252, 3  45, 2  45, 3  252, 3  45, 2  45, 3  252, 3
    census  additive    95-96  95-96  95-96   94-96  94-95  92-93   94-96  95-96  94-96
    census  collapsed   93-95  93-96  94-95   94-95  93-94  93-96   93-96  92-95  93-96
    census  exponential 94-94  94-96  92-94   94-95  94-96  93-96   93-95  93-96  91-93
    census  gaussian    94-96  96-98  96-97   94-95  93-94  93-96   94-96  96-97  96-96
    census  rounded     94-96  96-97  95-96   92-95  91-94  94-95   95-96  95-96  95-96
    sample  collapsed   94-95  94-96  94-96   94-96  94-96  93-96   94-96  94-95  93-96
    sample  exponential 94-96  95-96  95-96   94-95  95-96  95-95   94-96  94-96  95-96
    sample  gaussian    94-96  95-96  94-96   94-96  94-96  93-96   94-95  94-96  94-96
    sample  rounded     94-96  94-95  93-96   94-96  94-96  93-95   94-96  94-95  94-96

306 of the 324 coverages lie between 93 and 97 %. The intervals of a census are too narrow where the noise itself is
exponential (agreement down to 92 %, noise-free agreement to 91 %) and where metrics tie (reliability down to 91 %), and
a little too wide for normal metrics (up to 98 %).
"""

from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from oraclecheck.analysis.statistics.balance import mean_of_repeats
from oraclecheck.analysis.statistics.bootstrap import kendall_draws
from oraclecheck.analysis.statistics.correlation import agreement
from oraclecheck.analysis.statistics.retraining_noise import agreement_error
from oraclecheck.analysis.statistics.uncertainty import ceiling, census_reliability, mean_tau, noise_free, reliability

Array = NDArray[np.float64]

LEAST = 10
"""Combinations that a bootstrap over them needs: with 6, its intervals cover 91 % where the agreement is high."""


def noise_and_intervals(
    score: Array, finals: Array, *, higher_is_better: bool, census: bool, draws: int, seed: int
) -> tuple[dict[str, Any], list[str]]:
    """Noise ceiling, noise-free agreement, and 95 % intervals of both and of the agreement.

    *A sample of combinations*: percentile intervals of a bootstrap over combinations, all repeats of one kept
    together. They cover what the whole space shows for these k repeats; where the sample is a large part of the space
    they are wider than they need be.

    *A census*: the combinations are fixed, and the intervals cover what retraining them again would show on average:
    the agreement's comes from `retraining_noise`, the reliability's from `uncertainty.census_reliability`; for the
    noise-free agreement both vary, independently.

    How often they hold the truth is in the table above. What the ceiling and the noise-free agreement estimate rests on
    the Gaussian copula (see `uncertainty.ceiling`).

    Args:
        score: Criterion score of each combination, shape (n,), n >= 2, without NaN.
        finals: Final metric, shape (n, k), without NaN: the same repeats for the agreement and for the ceiling (see
            `balance`). The ceiling uses the combinations none of whose repeats diverged.
        higher_is_better: True for accuracy, False for loss.
        census: Whether the combinations are all there are.
        draws: Resamples.
        seed: Their seed.

    Returns:
        Columns of the table of `correlate`, and sentences about what is not defined.
    """
    means = mean_of_repeats(finals)
    k = finals.shape[1]
    complete = np.asarray(np.isfinite(finals).all(axis=1))
    row, notes = _ceiling(finals[complete], k)
    s = agreement(score, means, higher_is_better=higher_is_better)
    repeats = np.where(complete[:, None], finals, np.nan)
    pairs = [(repeats[:, r], repeats[:, q]) for r, q in combinations(range(k), 2)] if "rho_k" in row else []
    if not census:
        pairs.append((score, means))
    taus = kendall_draws(pairs, draws, seed) if pairs else np.empty((draws, 0))
    if pairs and (smallest := min(complete.sum() if "rho_k" in row else np.inf, len(score))) < LEAST:
        notes.append(f"no bootstrap intervals: they need {LEAST} combinations; there are {smallest}")
        taus[:, : k * (k - 1) // 2 if len(score) >= LEAST else None] = np.nan
    if census:
        error, freedom = agreement_error(score, finals)
        s_draws = s + error * np.random.default_rng(seed).standard_t(freedom, size=len(taus))
        if np.isnan(error) and not np.isnan(s):
            notes.append("no interval: in a census it needs repeats of at least 2 combinations")
        elif not np.isnan(error):
            reach = error * student.ppf(0.975, freedom)
            row |= {"agreement_low": max(-1.0, s - reach), "agreement_high": min(1.0, s + reach), "interval": "repeats"}
    else:
        s_draws = -taus[:, -1] if higher_is_better else taus[:, -1]
        row |= {**ends("agreement", s_draws), "interval": "none" if len(score) < LEAST else "combinations"}
    if "rho_k" in row:
        t_draws = taus[:, : k * (k - 1) // 2].mean(axis=1)
        rho_k = census_reliability(row["repeat_tau"], t_draws, k) if census else reliability(t_draws, k)[1]
        row |= ends("rho_k", rho_k)
        row |= {f"ceiling_{end}": float(ceiling(row[f"rho_k_{end}"])) for end in ("low", "high")}
        row["noise_free"] = float(noise_free(s, row["rho_k"]))
        row |= ends("noise_free", noise_free(np.clip(s_draws, -1, 1), rho_k))
    return row, notes


def _ceiling(complete: Array, k: int) -> tuple[dict[str, Any], list[str]]:
    if k < 2:
        return {}, ["no repeats, so no noise ceiling"]
    if len(complete) < 2:
        return {}, [f"no noise ceiling: it needs 2 combinations of which no repeat diverged; there are {len(complete)}"]
    t = mean_tau(complete)
    if np.isnan(t):
        return {"ceiling_n": len(complete)}, ["no noise ceiling: in one repeat all metric values are equal"]
    rho_1, rho_k = reliability(t, k)
    found = {"rho_1": float(rho_1), "rho_k": float(rho_k), "ceiling": float(ceiling(rho_k))}
    return {"repeat_tau": t, **found, "ceiling_n": len(complete)}, []


def ends(name: str, values: Array) -> dict[str, float]:
    """The ends of a 95 % percentile interval, as columns; NaN if no resample has a value."""
    low, high = np.nanquantile(values, [0.025, 0.975]) if not np.isnan(values).all() else (np.nan, np.nan)
    return {f"{name}_low": float(low), f"{name}_high": float(high)}
