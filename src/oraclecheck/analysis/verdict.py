"""A three-valued verdict beside Definition 3.1: valid, invalid, or undecided and why."""

from dataclasses import dataclass

import numpy as np

from oraclecheck.analysis.statistics.correlation import VALID_AGREEMENT, VALID_P


@dataclass(frozen=True)
class Evidence:
    """What a verdict rests on; NaN where it is not defined.

    Attributes:
        s: Agreement.
        s_low: Lower end of its 95 % interval.
        s_high: Upper end.
        p: p-value, the filter-permutation one where that is defined.
        rho_k_low: Lower end of the interval of the reliability of the mean.
        noise_free_high: Upper end of the interval of the noise-free agreement.
        k: Repeats.
        census: Whether the combinations are all there are.
    """

    s: float
    s_low: float
    s_high: float
    p: float
    rho_k_low: float
    noise_free_high: float
    k: int
    census: bool


def verdict(evidence: Evidence) -> tuple[str, str]:
    """The verdict and the reason for it.

    *valid* if the whole interval of s lies above 0.2 and p < 0.05; *invalid* if there are repeats that agree with each
    other and the whole interval of the noise-free agreement lies at or below 0.2; otherwise *undecided*, with what is
    lacking: a larger sample, less noise, or repeats.
    """
    e = evidence
    if np.isnan(e.s):
        return "undecided", "sample: tau is not defined"
    if e.s_low > VALID_AGREEMENT and e.p < VALID_P:
        return "valid", f"all of the interval of s lies above {VALID_AGREEMENT} and p < {VALID_P}"
    if e.k >= 2 and e.rho_k_low > 0 and e.noise_free_high <= VALID_AGREEMENT:
        return "invalid", f"even freed of retraining noise, all of the interval lies at or below {VALID_AGREEMENT}"
    return "undecided", _lacking(e)


def _lacking(e: Evidence) -> str:
    if e.s_low > VALID_AGREEMENT:
        return f"sample: s lies above {VALID_AGREEMENT}, but p >= {VALID_P}: unrelated filter effects could show it"
    if e.k < 2 and (e.census or e.s_high <= VALID_AGREEMENT):
        return "no repeats: how much of s retraining noise hides or makes is not known"
    if e.k < 2 and np.isnan(e.s_low):
        return "sample: there are too few combinations for an interval"
    if e.k < 2:
        return f"sample: the interval of s holds {VALID_AGREEMENT}"
    if np.isnan(e.rho_k_low):
        return "noise: how well the repeats agree is not defined"
    if not e.rho_k_low > 0:
        return "noise: the repeats do not agree with each other"
    if e.census or e.s_high <= VALID_AGREEMENT:
        return f"noise: retraining noise leaves both sides of {VALID_AGREEMENT} open"
    return f"sample: the interval of s holds {VALID_AGREEMENT}"
