"""Runs without an outcome, and the outcomes that diverged: which, how many, and why."""

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

import pandas as pd

# The page lists this many kinds of failure a study, and names this many runs of one kind.
_LISTED_KINDS = 100
_NAMED_RUNS = 24

_NUMBER = re.compile(r"\d+(\.\d+)?")

_MEANING = {
    "failed": "Failed: an exception ended them. Not outcomes; a relaunch tries them again.",
    "unfinished": "Unfinished: started, without an outcome.",
    "diverged": "Diverged: the loss became NaN or infinite. Outcomes that rank worst.",
}


def gaps(runs: pd.DataFrame, counts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a study lacks, the worst first.

    Args:
        runs: The study's records.
        counts: A row of `tables.correlate` of the study.

    Returns:
        One entry for each status that occurs: `status`, `count`, `meaning`, and `kinds`, at most 100 groups of runs
        whose reason is the same but for its numbers, each with `reason` (the first error's last line),
        `numbers_differ`, `count`, `runs` (text) and `traceback` (of the first); `unlisted` counts the runs of further
        groups.
    """
    found = []
    if missing := int(counts.get("missing") or 0):
        meaning = "Missing: they should be there and have no record."
        unnamed = [
            {
                "reason": "",
                "numbers_differ": False,
                "count": missing,
                "runs": _missing(runs, counts, missing),
                "traceback": "",
            }
        ]
        found.append({"status": "missing", "count": missing, "meaning": meaning, "kinds": unnamed, "unlisted": 0})
    for status, meaning in _MEANING.items():
        group = runs[runs["status"] == status]
        if len(group):
            kinds = _kinds(group)
            listed = kinds[:_LISTED_KINDS]
            unlisted = len(group) - sum(kind["count"] for kind in listed)
            found.append(
                {"status": status, "count": len(group), "meaning": meaning, "kinds": listed, "unlisted": unlisted}
            )
    return found


def _kinds(group: pd.DataFrame) -> list[dict[str, Any]]:
    errors = list(group["error"]) if "error" in group.columns else [None] * len(group)
    reasons = [_last_line(error) for error in errors]
    alike: dict[str, list[int]] = {}
    for row, reason in enumerate(reasons):
        # Sizes and addresses differ between failures of one kind.
        alike.setdefault(_NUMBER.sub("0", reason), []).append(row)
    kinds = []
    for rows in alike.values():
        first = rows[0]
        kinds.append(
            {
                "reason": reasons[first],
                "numbers_differ": len({reasons[row] for row in rows}) > 1,
                "count": len(rows),
                "runs": _listing([_run(group.iloc[row]) for row in rows[:_NAMED_RUNS]], len(rows)),
                "traceback": errors[first] if reasons[first] not in ("", str(errors[first]).strip()) else "",
            }
        )
    return sorted(kinds, key=lambda kind: -kind["count"])


def _missing(runs: pd.DataFrame, counts: Mapping[str, Any], missing: int) -> str:
    """The first of the missing runs: of the whole space if it was enumerated, otherwise of what was started."""
    counted = runs[runs["picked_by"].isna() & runs["combo"].notna()]
    have = set(zip(counted["combo"].astype(object), counted["repeat"].astype(int), strict=True))
    repeats = sorted({repeat for _, repeat in have})
    census = counts.get("space") == "enumerated" and not pd.isna(counts.get("space_size"))
    combos = range(int(counts["space_size"])) if census else sorted({combo for combo, _ in have})
    absent = ((combo, repeat) for combo in combos for repeat in repeats if (combo, repeat) not in have)
    return _listing([f"{combo}/{repeat}" for combo, repeat in islice(absent, _NAMED_RUNS)], missing)


def _last_line(error: Any) -> str:
    lines = str(error).strip().splitlines() if isinstance(error, str) else []
    return lines[-1].strip() if lines else ""


def _run(row: pd.Series) -> str:
    name = str(row["picked_by"]) if pd.isna(row["combo"]) else str(int(row["combo"]))
    return f"{name}/{row['repeat']}"


def _listing(names: list[str], count: int) -> str:
    rest = f" and {count - len(names):,} more" if names and count > len(names) else ""
    return f"{', '.join(names)}{rest}"
