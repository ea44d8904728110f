"""Runs without an outcome, and the outcomes that diverged: which, how many, and why."""

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import pandas as pd

from oraclecheck.analysis.words import combination_name

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
        One entry for each status that occurs: `count`, `meaning`, and `kinds`, at most 100 groups of runs whose reason
        is the same but for its numbers, each with `reason` (the first error's last line), `numbers_differ`, `count`,
        `runs` (text) and `traceback` (of the first); `unlisted` counts the runs of further groups.
    """
    kinds = {status: _kinds(runs[runs["status"] == status]) for status in _MEANING}
    if counts["missing"]:
        kinds["missing"] = [_kind([""], _missing(runs, counts), int(counts["missing"]))]
    return [
        {
            "count": sum(kind["count"] for kind in groups),
            "meaning": _MEANING[status],
            "kinds": groups[:_LISTED_KINDS],
            "unlisted": sum(kind["count"] for kind in groups[_LISTED_KINDS:]),
        }
        for status, groups in kinds.items()
        if groups
    ]


def _kinds(group: pd.DataFrame) -> list[dict[str, Any]]:
    """The runs by what ended them; sizes and addresses differ between failures of one kind."""
    alike: dict[str, list[pd.Series]] = {}
    for _, run in group[["combo", "picked_by", "repeat", "error"]].iterrows():
        alike.setdefault(_NUMBER.sub("0", _last_line(run["error"])), []).append(run)
    kinds = []
    for rows in alike.values():
        names = [f"{combination_name(run)}/{run['repeat']}" for run in rows[:_NAMED_RUNS]]
        kinds.append(_kind([run["error"] for run in rows], names, len(rows)))
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
    census = counts["space"] in ("enumerated", "part") and pd.notna(counts["space_size"])
    combos = range(int(counts["space_size"])) if census else sorted({combo for combo, _ in have})
    absent = ((combo, repeat) for combo in combos for repeat in repeats if (combo, repeat) not in have)
    return [f"{combo}/{repeat}" for combo, repeat in islice(absent, _NAMED_RUNS)]


def _last_line(error: Any) -> str:
    return "".join(error.strip().splitlines()[-1:]).strip() if isinstance(error, str) else ""
