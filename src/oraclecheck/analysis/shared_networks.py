"""Two settings side by side over the dense networks that both have: two wirings, two recipes, in pairs."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import ttest_1samp

from oraclecheck.analysis.comparison import compare
from oraclecheck.analysis.networks import LEAST, mean_over_networks

_AVERAGED = ("agreement_a", "agreement_b", "difference", "final_tau", "final_spearman")
_WITH_INTERVAL = ("difference", "final_tau", "final_spearman")

MEAN = "mean"
"""What the studies are called in the row of a mean."""


def compare_settings(runs_a: pd.DataFrame, runs_b: pd.DataFrame, **asked: Any) -> pd.DataFrame:
    """What `compare` says of every dense network that two settings share, and the mean over these networks.

    A network's pair of studies holds the same combinations of the same network, so that what is peculiar to a network
    is in both and drops out of the difference; the networks are the sample. The interval of a mean is a 95 % t-interval
    over networks, as in `across_networks`.

    Args:
        runs_a: Runs of the studies of one setting, each of another dense network.
        runs_b: The same of another setting.
        asked: As for `compare`: criterion, final, metric, draws, seed.

    Returns:
        For each metric the rows of `compare`, one for each shared network by its pre-training seed, then their mean:
        `study_a` and `study_b` are "mean", `interval` is "networks" (or "none" for fewer than 3, which have no
        interval). With `dense_hash` and `pretrain_seed` (none for a mean), `networks` (1, or how many a mean is of) and
        `p` (two-sided t-test over networks of a difference of 0; NaN for one network or two, and where all differences
        are equal).

    Raises:
        ValueError: As `compare`; if a setting has two studies of one dense network, or no network is in both.
    """
    sides = [_by_network(name, runs) for name, runs in (("A", runs_a), ("B", runs_b))]
    networks = sorted((network for network in sides[0] if network in sides[1]), key=lambda of: _seed(sides[0][of]))
    if not networks:
        raise ValueError(
            "settings to compare must have dense networks in common, studies with the same dense_hash; got none in both"
        )
    told = [f"{len(side) - len(networks)} only in {name}" for name, side in zip("AB", sides, strict=True)]
    left_out = f"left out: dense networks {', '.join(told)}" if any(len(side) > len(networks) for side in sides) else ""
    pairs = [_pair(network, sides[0][network], sides[1][network], asked) for network in networks]
    rows: list[dict[str, Any]] = []
    for _, of_metric in pd.concat(pairs, ignore_index=True).groupby("metric", sort=False):
        of_networks: Any = of_metric.to_dict("records")
        rows += [*of_networks, _mean(of_metric, left_out)]
    return pd.DataFrame(rows).astype({"pretrain_seed": "Int64"})


def _seed(runs: pd.DataFrame) -> float:
    return float(pd.to_numeric(runs["pretrain_seed"]).iloc[0]) if "pretrain_seed" in runs else np.nan


def _pair(network: str, a: pd.DataFrame, b: pd.DataFrame, asked: dict[str, Any]) -> pd.DataFrame:
    return compare(a, b, **asked).assign(dense_hash=network, pretrain_seed=_seed(a), networks=1, p=np.nan)


def _by_network(name: str, runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Dense network -> the runs of its study."""
    found = {str(network): rows for network, rows in runs.groupby("dense_hash", sort=False)}
    twice = [rows["study"].unique() for rows in found.values() if rows["study"].nunique() > 1]
    if twice:
        studies = ", ".join(map(str, twice[0]))
        raise ValueError(f"setting {name} must have one study of each dense network; {studies} are of one")
    return found


def _mean(pairs: pd.DataFrame, left_out: str) -> dict[str, Any]:
    """The row of the mean; networks whose s is not defined would bias it, so then there is none."""
    first, m = pairs.iloc[0], len(pairs)
    row: dict[str, Any] = dict.fromkeys(pairs.columns)
    row |= {"study_a": MEAN, "study_b": MEAN, "final": first["final"], "metric": first["metric"], "networks": m}
    row |= {name: float(pairs[name].mean(skipna=False)) for name in _AVERAGED}
    for name in _WITH_INTERVAL:
        row |= mean_over_networks(pairs[name].to_numpy(float), name)
    row |= {name: int(pairs[name].sum()) for name in ("n", "only_a", "only_b")}
    spread = m >= LEAST and pairs["difference"].std() > 0
    row["p"] = float(ttest_1samp(pairs["difference"], 0).pvalue) if spread else np.nan
    few = f"an interval needs {LEAST} dense networks; there {'is' if m == 1 else 'are'} {m}"
    notes = [few] if m < LEAST else []
    return row | {"interval": "none" if notes else "networks", "note": "; ".join(filter(None, [*notes, left_out]))}
