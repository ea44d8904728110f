"""Across dense networks: only these numbers support a claim about an architecture rather than one trained network."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from oraclecheck.analysis.correlation import VALID_AGREEMENT

# What the studies of a group share; dense_hash and pretrain_seed are what they may differ in.
SHARED = ("model", "data", "layers", "pruning_ratio", "wiring", "order", "space_size", "retrain_fraction")

LEAST = 3
"""Networks that an interval needs: with two, its t quantile is 12.7."""


def across_networks(table: pd.DataFrame) -> pd.DataFrame:
    """Mean agreement over the dense networks of an architecture, with its t-interval.

    The networks are the sample; how many combinations or repeats each has does not enter, only what it does to the
    spread of s. The interval covers the mean over pre-training seeds of the s that such a study shows.

    Args:
        table: From `correlate`.

    Returns:
        One row per metric and group of at least two studies that differ only in the dense network: what they share,
        `final`, `metric`, `networks`, `agreement` (mean of s; higher is better), `agreement_low`, `agreement_high`
        (95 %; NaN for fewer than 3 networks), `studies` (list), `verdict` (valid if the interval lies above 0.2,
        invalid if at or below it, otherwise undecided) with `reason`, and `note`. Empty if there is no such group.
    """
    rows = []
    # A study that has only begun has no s, and would stand for its dense network a second time.
    defined = table[table["agreement"].notna() & table["dense_hash"].notna()]
    for identity, group in defined.groupby([*SHARED, "final", "metric"], sort=False, dropna=False):
        if len(group) >= 2:
            rows.append({**dict(zip([*SHARED, "final", "metric"], identity, strict=True)), **_summary(group)})
    columns = [*SHARED, "final", "metric", "networks", "agreement", "agreement_low", "agreement_high"]
    return pd.DataFrame(rows, columns=[*columns, "studies", "verdict", "reason", "note"])


def _summary(group: pd.DataFrame) -> dict[str, Any]:
    row: dict[str, Any] = {"studies": group["study"].tolist(), "networks": group["dense_hash"].nunique(), "note": ""}
    undefined = dict.fromkeys(["agreement", "agreement_low", "agreement_high"], np.nan)
    if row["networks"] < len(group):
        note = "some studies share a dense network, so they differ in what the table does not show: choose one each"
        return {**row, **undefined, "verdict": "undecided", "reason": f"sample: {note}", "note": note}
    s = group["agreement"].to_numpy(float)
    row |= {**undefined, "agreement": float(s.mean())}
    if group["k"].nunique() > 1:
        row["note"] = "the studies differ in their number of repeats"
    if len(s) < LEAST:
        reason = f"sample: an interval needs {LEAST} dense networks; there are {len(s)}"
        return {**row, "verdict": "undecided", "reason": reason}
    reach = float(student.ppf(0.975, len(s) - 1) * s.std(ddof=1) / np.sqrt(len(s)))
    row |= {"agreement_low": row["agreement"] - reach, "agreement_high": row["agreement"] + reach}
    if row["agreement_low"] > VALID_AGREEMENT:
        return {**row, "verdict": "valid", "reason": f"the interval over networks lies above {VALID_AGREEMENT}"}
    if row["agreement_high"] <= VALID_AGREEMENT:
        return {**row, "verdict": "invalid", "reason": f"the interval over networks lies at or below {VALID_AGREEMENT}"}
    reason = f"sample: the interval over {len(s)} networks holds {VALID_AGREEMENT}"
    return {**row, "verdict": "undecided", "reason": reason}
