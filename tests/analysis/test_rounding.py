"""p-values as they are printed: one rule of digits, three ways to write a power of ten."""

import pytest

from oraclecheck.analysis.rounding import p_value


@pytest.mark.parametrize(
    ("p", "ascii", "unicode", "mathtext"),
    [
        (4.87e-9, "4.9e-09", "4.9 × 10⁻⁹", r"$4.9\times10^{-9}$"),
        (0.0005, "5.0e-04", "5.0 × 10⁻⁴", r"$5.0\times10^{-4}$"),
        (0.001, "1.0e-03", "0.001", "0.001"),
        (0.0481, "4.8e-02", "0.048", "0.048"),
        (1.0, "1.0e+00", "1", "1"),
        (0.0, "<1e-300", "< 10⁻³⁰⁰", "$<10^{-300}$"),
        (float("nan"), "–", "–", "–"),
        (None, "–", "–", "–"),
    ],
)
def test_p_value_has_two_digits_in_every_style(p, ascii, unicode, mathtext):
    assert [p_value(p), p_value(p, "unicode"), p_value(p, "mathtext")] == [ascii, unicode, mathtext]
