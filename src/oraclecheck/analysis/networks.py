"""Across dense networks: only these numbers support a claim about an architecture rather than one trained network."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from oraclecheck.analysis.rounding import UNDEFINED
from oraclecheck.analysis.statistics.correlation import VALID_AGREEMENT
from oraclecheck.analysis.words import look_alikes
from oraclecheck.study.identity import SETTING, differences

LEAST = 3
"""Networks that an interval needs: with two, its t quantile is 12.7."""

_JUDGED = ["setting_hash", "criterion", "final", "metric"]
_SHARED = ["setting_hash", *SETTING, "criterion", "final", "metric"]


def across_networks(table: pd.DataFrame) -> pd.DataFrame:
    """Mean agreement over the dense networks of an architecture, with its t-interval.

    The networks are the sample; how many combinations or repeats each has does not enter, only what it does to the
    spread of s. The interval covers the mean over pre-training seeds of the s that such a study shows.

    Args:
        table: From `correlate`.

    Returns:
        One row per criterion, metric and `setting_hash` that at least two studies share: what they share for a reader,
        `criterion`, `final`, `metric`, `networks`, `agreement` (mean of s; higher is better), `agreement_low`,
        `agreement_high` (95 %; NaN for fewer than 3 networks), `studies` (list), `verdict` (valid if the interval lies
        above 0.2, invalid if at or below it, otherwise undecided) with `reason`, and `note`. Empty if there is none;
        files of points are of no setting.
    """
    rows = []
    # A study that has only begun has no s, and would stand for its dense network a second time.
    defined = table[table["agreement"].notna() & table["dense_hash"].notna() & table["setting_hash"].notna()]
    for _, group in defined.groupby(_JUDGED, sort=False):
        if len(group) >= 2:
            rows.append({**group.iloc[0][_SHARED], **_summary(group)})
    columns = [*_SHARED, "networks", "agreement", "agreement_low", "agreement_high"]
    return pd.DataFrame(rows, columns=[*columns, "studies", "verdict", "reason", "note"])


def unlike_settings(table: pd.DataFrame, definitions: Mapping[str, Mapping[str, Any]]) -> list[pd.DataFrame]:
    """Settings that every other column calls the same, side by side: no mean joins their studies.

    Args:
        table: From `correlate`.
        definitions: Study -> its definition, for the studies whose study.json is at hand.

    Returns:
        A table for each group of such settings, a row for each of them: `setting_hash`, `studies` (list) and `differs`,
        what the setting has where the group's definitions differ, in words.
    """
    tables = []
    for group in look_alikes(table.drop_duplicates("study")):
        settings = {str(name): rows["study"].tolist() for name, rows in group.groupby("setting_hash", sort=False)}
        known = [next((definitions[study] for study in of if study in definitions), None) for of in settings.values()]
        columns = {"setting_hash": list(settings), "studies": list(settings.values()), "differs": _spelt(known)}
        tables.append(pd.DataFrame(columns))
    return tables


def _spelt(definitions: Sequence[Mapping[str, Any] | None]) -> list[str]:
    """What each of several definitions has where they differ."""
    known = [definition for definition in definitions if definition is not None]
    if len(known) < len(definitions):
        return ["setting_hash; what it stands for lies in study.json"] * len(definitions)
    differing = differences(known).items()
    return ["; ".join(f"{key} {_short(values[i])}" for key, values in differing) for i in range(len(known))]


def _short(value: Any) -> str:
    if value is None:
        return UNDEFINED
    text = value if isinstance(value, str) else json.dumps(value)
    return text[:8] if re.fullmatch("[0-9a-f]{64}", text) else text


def _summary(group: pd.DataFrame) -> dict[str, Any]:
    s = group["agreement"].to_numpy(float)
    networks, mean, reach = group["dense_hash"].nunique(), float(s.mean()), np.nan
    if networks < len(group):
        mean, note = np.nan, "some studies are of one dense network, under several names: choose one each"
        verdict, reason = "undecided", f"sample: {note}"
    else:
        if networks >= LEAST:
            reach = float(student.ppf(0.975, networks - 1) * s.std(ddof=1) / np.sqrt(networks))
        note = "the studies differ in their number of repeats" if group["k"].nunique() > 1 else ""
        lacking = list(group["reason"].astype(str)) if "reason" in group else []
        verdict, reason = _verdict(mean - reach, mean + reach, networks, lacking)
    interval = {"agreement": mean, "agreement_low": mean - reach, "agreement_high": mean + reach}
    told = {"studies": group["study"].tolist(), "verdict": verdict, "reason": reason, "note": note}
    return {"networks": networks, **interval, **told}


def _verdict(low: float, high: float, networks: int, lacking: Sequence[str]) -> tuple[str, str]:
    """The verdict by the interval over networks, and the reason for it; `lacking` are the reasons of their studies."""
    if networks < LEAST:
        return "undecided", f"sample: an interval needs {LEAST} dense networks; there are {networks}"
    if biased := [reason for reason in lacking if "are no random sample" in reason]:
        return "undecided", biased[0]
    if low > VALID_AGREEMENT:
        return "valid", f"the interval over networks lies above {VALID_AGREEMENT}"
    if high > VALID_AGREEMENT:
        return "undecided", f"sample: the interval over {networks} networks holds {VALID_AGREEMENT}"
    if noisy := [reason for reason in lacking if reason.startswith("noise:")]:
        return "undecided", noisy[0]
    return "invalid", f"the interval over networks lies at or below {VALID_AGREEMENT}"
