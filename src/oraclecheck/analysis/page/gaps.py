"""Runs without an outcome, and the outcomes that diverged: which, how many, and why."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

# The page lists this many kinds of failure a study, and names this many runs of one kind.
_LISTED_KINDS = 100
_NAMED_RUNS = 24

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
        with the same reason, each with `reason` (the error's last line), `count`, `runs` (text) and `traceback` (of
        the first); `unlisted` counts the runs of further groups.
    """
    found = []
    if missing := int(counts.get("missing") or 0):
        meaning = "Missing: they should be there and have no record."
        found.append({"status": "missing", "count": missing, "meaning": meaning, "kinds": [], "unlisted": 0})
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
    errors = group["error"] if "error" in group.columns else pd.Series("", index=group.index)
    reasons = errors.map(_last_line)
    kinds = []
    for reason, same in group.groupby(reasons, sort=False):
        traceback = errors[same.index[0]]
        named = [_run(row) for _, row in same.iloc[:_NAMED_RUNS].iterrows()]
        kinds.append(
            {
                "reason": reason,
                "count": len(same),
                "runs": _listing(named, len(same)),
                "traceback": traceback if isinstance(traceback, str) and traceback.strip() != reason else "",
            }
        )
    return sorted(kinds, key=lambda kind: -kind["count"])


def _last_line(error: Any) -> str:
    lines = str(error).strip().splitlines() if isinstance(error, str) else []
    return lines[-1].strip() if lines else ""


def _run(row: pd.Series) -> str:
    name = str(row["picked_by"]) if pd.isna(row["combo"]) else str(int(row["combo"]))
    return f"{name}/{row['repeat']}"


def _listing(named: Iterable[str], count: int) -> str:
    names = list(named)
    rest = f" and {count - len(names):,} more" if count > len(names) else ""
    return f"{', '.join(names)}{rest}"
