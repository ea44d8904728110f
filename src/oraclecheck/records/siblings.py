"""The records of one study: what they have in common, and which of them has it not."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from oraclecheck.pruning.masks.choice import is_mask_choice
from oraclecheck.records.validation import Row
from oraclecheck.spelling import spell_value
from oraclecheck.study.identity import DENSE, SETTING

SHARED = ("study", "study_hash", *SETTING, DENSE, "setting_hash")
"""Columns in which the records of a study agree, as they do in how many filters each layer loses.

What the setting is comes before its hash, so that messages say it. Not among them are the schema and the pretraining's
seed: the same dense network may have been trained, or loaded from a file.
"""


def deviation(row: Row, shared: Row, whose: str, columns: Sequence[str] = SHARED) -> str | None:
    """The first of the columns in which a row is not what its study is, as `whose` word has it."""
    for name in columns:
        if row[name] != shared[name]:
            return f"{name} must be that of {whose}, {spell_value(shared[name])}; got {spell_value(row[name])}"
    return None


def deviations(rows: Sequence[Row]) -> dict[int, tuple[str, Row]]:
    """Rows that do not agree with most rows of their study: number -> what is wrong, and a row of the majority.

    Args:
        rows: Of any studies, each with `study`, the columns `SHARED` and `removed`.
    """
    studies = defaultdict(list)
    for number, row in enumerate(rows):
        removed = row["removed"]
        counts = {} if is_mask_choice(removed) else {layer: len(filters) for layer, filters in removed.items()}
        studies[row["study"]].append((number, row, counts))
    found = {}
    for siblings in studies.values():
        keys = [repr(([row[name] for name in SHARED], counts)) for _, row, counts in siblings]
        _, usual, usually = siblings[keys.index(Counter(keys).most_common(1)[0][0])]
        for number, row, counts in siblings:
            flaw = deviation(row, usual, "its study's other records")
            if not flaw and counts != usually:
                rule = f"removed must number {spell_value(usually)}, as in its study's other records"
                flaw = f"{rule}; got {spell_value(counts)}"
            if flaw:
                found[number] = flaw, usual
    return found
