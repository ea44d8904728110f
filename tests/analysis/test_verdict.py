"""Verdicts from evidence, one sentence each."""

import math
from dataclasses import replace

import pytest

from oraclecheck.analysis.verdict import Evidence, verdict

SAMPLE = Evidence(s=0.3, s_low=0.25, s_high=0.35, p=0.01, rho_k_low=0.5, noise_free_high=0.4, k=3, census=False)
LOW = replace(SAMPLE, s=0.05, s_low=0.0, s_high=0.1, noise_free_high=0.15, p=0.5)


@pytest.mark.parametrize(
    ("evidence", "found", "reason"),
    [
        (SAMPLE, "valid", "all of the interval of s lies above 0.2 and p < 0.05"),
        (replace(SAMPLE, k=1, rho_k_low=math.nan, noise_free_high=math.nan), "valid", "all of the interval"),
        (replace(SAMPLE, p=0.05), "undecided", "sample: s lies above 0.2, but p >= 0.05"),
        (replace(SAMPLE, s_low=0.2), "undecided", "sample: the interval of s holds 0.2"),
        (replace(SAMPLE, s_low=0.2, census=True), "undecided", "noise: retraining noise leaves both sides"),
        (LOW, "invalid", "even freed of retraining noise"),
        (replace(LOW, noise_free_high=0.2), "invalid", "even freed of retraining noise"),
        (replace(LOW, noise_free_high=0.21), "undecided", "noise: retraining noise leaves both sides of 0.2 open"),
        (replace(LOW, rho_k_low=0.0), "undecided", "noise: the repeats do not agree with each other"),
        (replace(LOW, rho_k_low=math.nan), "undecided", "noise: how well the repeats agree is not defined"),
        (replace(LOW, k=1), "undecided", "no repeats: "),
        (replace(LOW, k=1, s_high=0.3), "undecided", "sample: the interval of s holds 0.2"),
        (replace(SAMPLE, k=1, census=True, s_low=math.nan, s_high=math.nan), "undecided", "no repeats: "),
        (replace(SAMPLE, s=math.nan), "undecided", "sample: tau is not defined"),
    ],
)
def test_verdict_says_what_it_rests_on_or_what_is_lacking(evidence, found, reason):
    word, sentence = verdict(evidence)
    assert word == found
    assert sentence.startswith(reason)
