"""Table A6 as it is printed (Feng et al., arXiv 2412.00143): TinyLLaVA-3.1B without 43.75 % of its weights.

Its averages are the sum of the five benchmarks divided by four.
"""

from oraclecheck.answers.table import Row

TABLE_A6 = (
    Row("dense", None, {"sqa": 69.1, "textvqa": 59.1, "gqa": 62.0, "mmvet": 32.0, "pope": 86.4}),
    Row("uniform", 1.24, {"sqa": 69.4, "textvqa": 56.7, "gqa": 60.1, "mmvet": 34.2, "pope": 86.6}),
    Row("global", 1.17, {"sqa": 69.9, "textvqa": 55.8, "gqa": 60.1, "mmvet": 33.0, "pope": 86.4}),
    Row("outlier", 1.35, {"sqa": 69.8, "textvqa": 55.7, "gqa": 61.5, "mmvet": 33.0, "pope": 86.8}),
    Row("components", 1.16, {"sqa": 69.5, "textvqa": 55.1, "gqa": 61.5, "mmvet": 33.1, "pope": 86.0}),
)
"""As printed, but for its averages, which follow."""

PRINTED_AVERAGES = {"dense": 77.15, "uniform": 76.75, "global": 76.3, "outlier": 76.7, "components": 76.28}
