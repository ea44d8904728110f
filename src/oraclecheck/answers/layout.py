"""The answers of a study's networks as a table, and the paper's Table A6 beside it."""

from collections.abc import Sequence

from oraclecheck.answers.lmms_eval import DIFFERENCES
from oraclecheck.answers.published import TABLE_A6
from oraclecheck.answers.table import Row, counterexamples, table
from oraclecheck.report.typesetting import Layout

_AVERAGES = "the paper's averages are the sum of the five benchmarks divided by four; mean divides by five"


def answers_layout(study: str, rows: Sequence[Row]) -> Layout:
    """What the networks of a study answered.

    Args:
        study: Its name.
        rows: Of its networks.
    """
    return _layout("answers", f"{study}: benchmarks in percent, higher is better", rows)


def published_layout() -> Layout:
    """Table A6 as it is printed."""
    return _layout("table_a6", "Feng et al., Table A6: TinyLLaVA-3.1B without 43.75 % of its weights", TABLE_A6)


def _layout(name: str, title: str, rows: Sequence[Row]) -> Layout:
    head, *cells = table(rows)
    against, alike, pairs = counterexamples(rows)
    notes = [_AVERAGES, *[DIFFERENCES] * any(row.by_lmms_eval for row in rows)]
    if pairs:
        notes.append(
            f"counterexamples: in {against} of {pairs} pairs the network with the lower pruned train loss ends with "
            f"the lower mean, in {alike} both end alike"
        )
    return Layout(name, title, tuple(head), tuple(map(tuple, cells)), tuple(notes))
