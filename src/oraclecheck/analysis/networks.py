"""Across dense networks: only these numbers support a claim about an architecture rather than one trained network."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binomtest, ttest_1samp
from scipy.stats import t as student

from oraclecheck.analysis.rounding import UNDEFINED
from oraclecheck.analysis.statistics.correlation import VALID_AGREEMENT, VALID_P
from oraclecheck.analysis.statistics.multiplicity import holm
from oraclecheck.analysis.verdict import FAMILY, ONE_NETWORK
from oraclecheck.analysis.words import look_alikes
from oraclecheck.study.identity import SETTING, differences

LEAST = 3
"""Networks that an interval needs: with two, its t quantile is 12.7."""

SAME = 1e-9  # of values that differ by rounding alone

_JUDGED = ["setting_hash", "criterion", "final", "metric"]
_SHARED = ["setting_hash", *SETTING, "criterion", "final", "metric"]
_SUMMARY = [
    *("networks", "agreement", "agreement_low", "agreement_high", "agreement_median", "leave_out_low"),
    *("leave_out_high", "noise_free", "noise_free_low", "noise_free_high", "p", "p_sign", "p_holm", "studies"),
    *("relation", "verdict", "reason", "scope", "note", "lacking"),
]


def across_networks(table: pd.DataFrame) -> pd.DataFrame:
    """What the dense networks of a setting say together: mean agreement with its t-interval, and the three answers.

    The networks are the sample; how many combinations or repeats each has does not enter, only what it does to the
    spread of s. The interval covers the mean over pre-training seeds of the s that such a study shows. It takes the
    networks as normally distributed: with one bad network in five it covers 85 to 88 %, which is why the median and the
    leave-one-out range stand beside it.

    Args:
        table: From `correlate`.

    Returns:
        One row per criterion, metric and `setting_hash` that at least two studies share: what they share for a reader,
        `criterion`, `final`, `metric`, `networks`, `agreement` (mean of s; higher is better), `agreement_low`,
        `agreement_high` (95 %; NaN for fewer than 3 networks), `agreement_median`, `leave_out_low` and `leave_out_high`
        (range of the means without one network); the same mean and interval of the agreement freed of noise,
        `noise_free`, `noise_free_low`, `noise_free_high` (NaN unless every network's repeats agree with each other);
        `p` (t-test of a mean of 0), `p_sign` (sign test), `p_holm` (of p, over the settings of this table); `studies`
        (list), and the three answers `relation`, `verdict` with `reason`, and `scope`, then `note`. Empty if there is
        none; files of points are of no setting.
    """
    rows = []
    # A study that has only begun has no s, and would stand for its dense network a second time.
    defined = table[table["agreement"].notna() & table["dense_hash"].notna() & table["setting_hash"].notna()]
    for _, group in defined.groupby(_JUDGED, sort=False):
        if len(group) >= 2:
            rows.append({**group.iloc[0][_SHARED], **_summary(group)})
    means = pd.DataFrame(rows, columns=[*_SHARED, *_SUMMARY])
    if len(means):
        families = means["p"].groupby([means[name].map(str) for name in FAMILY], sort=False)
        means["p_holm"] = families.transform(holm)
        means["relation"] = [_relation(row) for row in means.to_dict("records")]
        answers = [_verdict(row) for row in means.to_dict("records")]
        means["verdict"], means["reason"] = zip(*answers, strict=True)
    return means.drop(columns=["lacking"])


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
    s, networks = group["agreement"].to_numpy(float), group["dense_hash"].nunique()
    found: dict[str, Any] = {**dict.fromkeys(_SUMMARY, np.nan), "networks": networks, "scope": ONE_NETWORK, "note": ""}
    found["studies"] = group["study"].tolist()
    found["lacking"] = list(group["reason"].astype(str)) if "reason" in group else []
    if networks < len(group):
        return {**found, "note": "some studies are of one dense network, under several names: choose one each"}
    if group["k"].nunique() > 1:
        found["note"] = "the studies differ in their number of repeats"
    found |= {**mean_over_networks(s, "agreement"), "agreement_median": float(np.median(s))}
    found["scope"] = f"{networks} networks" if networks >= LEAST else ONE_NETWORK
    if networks >= LEAST:
        without = (s.sum() - s) / (len(s) - 1)
        found |= {"leave_out_low": float(without.min()), "leave_out_high": float(without.max())}
        found["p"] = np.nan if _alike(s) else float(ttest_1samp(s, 0).pvalue)
        signs = int((s > 0).sum()), int((s != 0).sum())
        found["p_sign"] = float(binomtest(*signs).pvalue) if signs[1] else 1.0
    if "noise_free" in group and (group["rho_k_low"] > 0).all() and group["noise_free"].notna().all():
        found |= mean_over_networks(group["noise_free"].to_numpy(float), "noise_free")
    return found


def mean_over_networks(values: NDArray[np.float64], name: str) -> dict[str, float]:
    """The mean and its 95 % t-interval, which is NaN for fewer than `LEAST` networks, or where all have the same value.

    Args:
        values: One for each network, shape (m,).
        name: What the mean is called; the ends are `<name>_low` and `<name>_high`.
    """
    n, reach = len(values), np.nan
    if n >= LEAST and not _alike(values):
        reach = float(student.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n))
    mean = float(values.mean())
    return {name: mean, f"{name}_low": mean - reach, f"{name}_high": mean + reach}


def _alike(values: NDArray[np.float64]) -> bool:
    """Whether values are the same but for rounding: they say nothing of how far networks differ."""
    return bool(np.ptp(values) < SAME)


def _relation(row: Mapping[Any, Any]) -> str:
    if not row["p_holm"] < VALID_P or _undecidable(row["lacking"]):
        return "none shown"
    return "agrees" if row["agreement"] > 0 else "opposes"


def _verdict(row: Mapping[Any, Any]) -> tuple[str, str]:
    """The verdict by the intervals over networks, and the reason for it.

    Noise pulls s towards 0: an interval of s above 0.2 needs no freeing of it, one below does.
    """
    networks = row["networks"]
    if np.isnan(row["agreement"]):
        return "undecided", f"sample: {row['note']}"
    if networks < LEAST:
        return "undecided", f"sample: an interval needs {LEAST} dense networks; there are {networks}"
    if why := _undecidable(row["lacking"]):
        return "undecided", why
    if np.isnan(row["agreement_low"]):
        return "undecided", "sample: all networks have the same s, which says nothing of how far networks differ"
    if row["agreement_low"] > VALID_AGREEMENT and row["relation"] == "agrees":
        return "valid", f"the interval over networks lies above {VALID_AGREEMENT}"
    if row["noise_free_high"] < 0 and row["relation"] == "opposes":
        return "inverse", "even freed of noise, the interval over networks lies below 0"
    if row["noise_free_high"] <= VALID_AGREEMENT:
        return (
            "invalid",
            f"even freed of noise, the interval over networks lies at or below {VALID_AGREEMENT}",
        )
    if row["noise_free_low"] > VALID_AGREEMENT and row["relation"] == "agrees":
        return "valid", f"freed of noise, the interval over networks lies above {VALID_AGREEMENT}"
    if np.isnan(row["noise_free"]) and row["agreement_high"] <= VALID_AGREEMENT:
        return "undecided", next(
            (reason for reason in row["lacking"] if reason.startswith("noise:")),
            "no repeats: how much of s retraining noise hides is not known",
        )
    return "undecided", f"sample: the interval over {networks} networks holds {VALID_AGREEMENT}"


def _undecidable(reasons: Sequence[str]) -> str:
    """Why no number of networks decides: their combinations are a part of a space, or nobody knows of which."""
    undecidable = ("incomplete:", "sample: how the combinations", "error:")
    return next((reason for reason in reasons if reason.startswith(undecidable)), "")
