"""The columns of the table of runs: names and order are the record's, and each has one dtype, whatever it came from.

Numbers that every run has are `int64`, those that a record may lack `float64` (NaN where absent) or `Int64` (NA where
absent). Everything else is `object`: `str`, `list`, `dict` or None, and in `combo` and `space_size` Python integers,
which may exceed 64 bits.
"""

import json
from typing import Any

from oraclecheck.files import encoded
from oraclecheck.records.record import KINDS, decode

NAMES = tuple(KINDS)
NESTED = frozenset(name for name, kinds in KINDS.items() if list in kinds or dict in kinds)

ALWAYS = ("schema", "study", "study_hash", "repeat", "status")
"""What every row says, also one of a file of points."""


def dtype_of(name: str) -> str:
    """The pandas dtype of a column."""
    kinds = KINDS[name]
    if float in kinds:
        return "float64"
    if int in kinds and name not in ("combo", "space_size"):
        return "int64" if name in ALWAYS else "Int64"
    return "object"


def to_text(name: str, value: Any) -> str | None:
    """A value of a table's column as text, exact; None where there is none."""
    if name in NESTED:
        try:
            return _encode(value)
        except ValueError:  # a number that is not finite, which is rare
            return _encode(encoded(value))
    if value is None or value != value:  # NaN
        return None
    return repr(float(value)) if float in KINDS[name] else str(value)


_encode = json.JSONEncoder(allow_nan=False).encode


def from_text(name: str, text: str) -> Any:
    """The value of a column that `to_text` made text of.

    Raises:
        ValueError: If it is not a value of that column.
    """
    kinds = KINDS[name]
    if name in NESTED:
        value = decode(json.loads(text), kinds)
        if not isinstance(value, kinds):
            raise ValueError("not JSON of the right kind")
        return value
    return float(text) if float in kinds else int(text) if int in kinds else text


def empty(name: str) -> Any:
    """What a row has in a column of which nothing is known."""
    return next((kind() for kind in (list, dict) if kind in KINDS[name]), None)
