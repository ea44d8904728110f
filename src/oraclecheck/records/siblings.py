"""The records of one study: what they have in common, and which of them has it not."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from oraclecheck.records.flaw import Flaw, short
from oraclecheck.study.identity import DENSE, SETTING

Row = Mapping[str, Any]

SHARED = ("study", "study_hash", *SETTING, DENSE, "setting_hash")
"""Columns in which the records of a study agree, as they do in how many filters each layer loses.

What the setting is comes before its hash, so that messages say it. Not among them are the schema and the pretraining's
seed: the same dense network may have been trained, or loaded from a file.
"""

_SIBLINGS = "its study's other records"


def deviation(row: Row, shared: Row, whose: str, columns: Sequence[str] = SHARED) -> Flaw | None:
    """The first column in which a row is not what its study is.

    Args:
        row: Of the study, by its name.
        shared: What the study is.
        whose: Who says so, for messages.
        columns: Those to look at.
    """
    for name in columns:
        if row[name] != shared[name]:
            return Flaw(name, f"be that of {whose}, {short(shared[name])}", short(row[name]))
    return None


def deviations(rows: Sequence[Row]) -> dict[int, tuple[Flaw, Row]]:
    """Rows that do not agree with most rows of their study: number -> what is wrong, and a row of the majority.

    Args:
        rows: Of any studies, each with `study`, the columns `SHARED` and `removed`.
    """
    studies: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        studies.setdefault(row["study"], []).append(number)
    found = {}
    for numbers in studies.values():
        keys = [repr(([rows[number][name] for name in SHARED], _counts(rows[number]))) for number in numbers]
        usual = rows[numbers[keys.index(Counter(keys).most_common(1)[0][0])]]
        for number in numbers:
            if flaw := deviation(rows[number], usual, _SIBLINGS) or _miscount(rows[number], usual):
                found[number] = flaw, usual
    return found


def _miscount(row: Row, usual: Row) -> Flaw | None:
    one, other = _counts(row), _counts(usual)
    return Flaw("removed", f"number {short(other)}, as in {_SIBLINGS}", short(one)) if one != other else None


def _counts(row: Row) -> dict[str, int]:
    return {layer: len(filters) for layer, filters in row["removed"].items()}
