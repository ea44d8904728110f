"""Runs without an outcome, and the outcomes that diverged: which, how many, and why."""

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import pandas as pd

# The page lists this many kinds of failure a study, and names this many runs of one kind.
_LISTED_KINDS = 100
_NAMED_RUNS = 24

_NUMBER = re.compile(r"\d+(\.\d+)?")

_MEANING = {
    "missing": "Missing: they should be there and have no record.",
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
    kinds = {status: _kinds(runs[runs["status"] == status]) for status in _MEANING}
    if missing := int(counts.get("missing") or 0):
        kinds["missing"] = [_kind([""], _missing(runs, counts), missing)]
    found = []
    for status, groups in kinds.items():
        count, listed = (sum(kind["count"] for kind in some) for some in (groups, groups[:_LISTED_KINDS]))
        entry = {"status": status, "count": count, "meaning": _MEANING[status]}
        found.append({**entry, "kinds": groups[:_LISTED_KINDS], "unlisted": count - listed})
    return [entry for entry in found if entry["count"]]


def _kinds(group: pd.DataFrame) -> list[dict[str, Any]]:
    """The runs by what ended them; sizes and addresses differ between failures of one kind."""
    alike: dict[str, list[int]] = {}
    for row, error in enumerate(group["error"]):
        alike.setdefault(_NUMBER.sub("0", _last_line(error)), []).append(row)
    kinds = [
        _kind(
            [group["error"].iloc[row] for row in rows], [_run(group.iloc[row]) for row in rows[:_NAMED_RUNS]], len(rows)
        )
        for rows in alike.values()
    ]
    return sorted(kinds, key=lambda kind: -kind["count"])


def _kind(errors: Sequence[Any], names: Sequence[str], count: int) -> dict[str, Any]:
    reasons = [_last_line(error) for error in errors]
    rest = f" and {count - len(names):,} more" if names and count > len(names) else ""
    return {
        "reason": reasons[0],
        "numbers_differ": len(set(reasons)) > 1,
        "count": count,
        "runs": f"{', '.join(names)}{rest}",
        "traceback": errors[0] if reasons[0] not in ("", str(errors[0]).strip()) else "",
    }


def _missing(runs: pd.DataFrame, counts: Mapping[str, Any]) -> list[str]:
    """The first of the missing runs: of the whole space if it was enumerated, otherwise of what was started."""
    counted = runs[runs["picked_by"].isna() & runs["combo"].notna()]
    have = set(zip(counted["combo"].astype(object), counted["repeat"].astype(int), strict=True))
    repeats = sorted({repeat for _, repeat in have})
    census = counts.get("space") == "enumerated" and not pd.isna(counts.get("space_size"))
    combos = range(int(counts["space_size"])) if census else sorted({combo for combo, _ in have})
    absent = ((combo, repeat) for combo in combos for repeat in repeats if (combo, repeat) not in have)
    return [f"{combo}/{repeat}" for combo, repeat in islice(absent, _NAMED_RUNS)]


def _last_line(error: Any) -> str:
    lines = str(error).strip().splitlines() if isinstance(error, str) else []
    return lines[-1].strip() if lines else ""


def _run(row: pd.Series) -> str:
    name = str(row["picked_by"]) if pd.isna(row["combo"]) else str(int(row["combo"]))
    return f"{name}/{row['repeat']}"
