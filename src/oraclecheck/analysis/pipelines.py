"""Pipelines over equal pruning ratios, as Tables 4 to 8 of Wang et al. (arXiv 2301.05219) put them side by side.

A row of theirs is a way to come to a pruned network, with a mean and a standard deviation for each pruning ratio. Here
the studies of a row differ in their dense network alone, and these are its sample; a row of one study at a ratio has
its repeats as the sample.

Samples are paired where they share what they came from: the dense networks, or the seeds of the repeats. A network that
is trained from scratch shares nothing with the dense network that its study names.
"""

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import ttest_ind, ttest_rel

from oraclecheck.analysis.metrics import FINALS
from oraclecheck.analysis.outcomes import OUTCOMES
from oraclecheck.analysis.statistics.multiplicity import holm
from oraclecheck.analysis.trainability import first_stage, trainability_accuracy
from oraclecheck.analysis.words import as_text

ROUNDING = 1e-12
"""Accuracies that are no further apart are equal: means of the same decimal numbers differ in the last bit."""


@dataclass(frozen=True)
class Sample:
    """What the studies of a row came to at a ratio.

    Attributes:
        values: What each dense network or repeat came from -> its accuracy.
        of_networks: Whether the sample is one of dense networks.
        pairs: Whether what they came from is worth a pair with another sample's.
    """

    values: dict[Hashable, float]
    of_networks: bool
    pairs: bool


def pipelines_table(runs: pd.DataFrame, *, final: str = "last", baseline: str | None = None) -> pd.DataFrame:
    """Final test accuracy of every row at every ratio, and how far each is from a baseline's.

    Every run with an outcome counts, also of combinations that a criterion picked; those of a study and repeat are
    averaged, those that diverged count as having learnt nothing (accuracy 0).

    Args:
        runs: Runs of several studies, with the columns of a record.
        final: "last" or "best".
        baseline: The row that others are compared with; None for the one that is trained from scratch, else the first.

    Returns:
        A row for each pipeline and ratio: `row`, `pruning_ratio` (text), `studies` (their names, text), `pipeline`,
        `speedup`, `epochs` (of the runs' history), `n` (dense networks or repeats), `sample` ("networks" or
        "repeats"), `mean`, `sd` (n - 1; NaN for one), `trainability` (mean over the sample, without runs that
        diverged; NaN where there is no first stage), `stage` (its epochs), `schedule` (rates by epoch, text),
        `baseline`, `difference` (mean minus the baseline's), `paired`, `low`, `high` (95 % t-interval, in pairs where
        both have the same dense networks, or repeats of the same seeds, else Welch's), `p` and `p_holm` (over all
        differences of the table).

    Raises:
        ValueError: If there is no run with an outcome, no row is called like the baseline, or studies of one row
            differ in more than their dense networks.
    """
    runs = runs[runs["status"].isin(OUTCOMES)]
    if runs.empty:
        raise ValueError("pipelines need runs with an outcome to be compared; got none")
    ratios = runs["pruning_ratio"].map(as_text)
    named = runs.assign(_row=[row_name(*each) for each in zip(runs["study"], runs["pruning_ratio"], strict=True)])
    rows: list[dict[str, Any]] = []
    samples: dict[tuple[str, str], Sample] = {}
    for (row, ratio), part in named.groupby([named["_row"], ratios], sort=False):
        _check_row(str(row), part)
        samples[str(row), str(ratio)] = sample = _sample(part, f"{FINALS[final]}_test_accuracy")
        told = {"row": row, "pruning_ratio": ratio, "studies": ", ".join(map(str, part["study"].unique()))}
        rows.append({**told, **_described(part), **_summary(sample)})
    names = list(dict.fromkeys(each["row"] for each in rows))
    scratch = next((each["row"] for each in rows if each["pipeline"] == "scratch"), names[0])
    chosen = scratch if baseline is None else baseline
    if chosen not in names:
        raise ValueError(f"--pipelines must name a row, one of {', '.join(names)}; got {chosen}")
    for each in rows:
        own, base = samples[each["row"], each["pruning_ratio"]], samples.get((chosen, each["pruning_ratio"]))
        each |= {"baseline": chosen, **(_nothing() if base is None or base is own else _difference(own, base))}
    table = pd.DataFrame(rows)
    table["p_holm"] = holm(table["p"])
    return table


def row_name(study: str, ratios: dict[str, float]) -> str:
    """A study's label, without the ratios that the label of a study says if nobody has given it one."""
    label = study.rpartition("-")[0] or study
    for ratio in dict.fromkeys(ratios.values()):
        label = re.sub(rf"_{re.escape(f'{ratio:g}')}(?=[-_]|$)", "", label)
    return label


def _check_row(row: str, part: pd.DataFrame) -> None:
    """Refuse a row whose studies are not one way to come to a network."""
    ratio = as_text(part["pruning_ratio"].iloc[0])
    rule = f"--pipelines needs studies of a row that differ in their dense network alone; those called {row} at {ratio}"
    if part["setting_hash"].nunique() > 1:
        raise ValueError(f"{rule} have different settings: give them names of their own (study=NAME), or choose some")
    networks = part[["study", "dense_hash", "pretrain_seed"]].drop_duplicates()
    if len(networks) > 1 and networks[["dense_hash", "pretrain_seed"]].duplicated().any():
        raise ValueError(f"{rule} have one twice: choose some of the studies")


def _sample(part: pd.DataFrame, metric: str) -> Sample:
    accuracy = part[metric].where(part["status"] == "ok", 0.0).astype(float)
    of_networks = part["study"].nunique() > 1
    is_scratch = part["pipeline"].iloc[0] == "scratch"
    named = "study" if is_scratch else "pretrain_seed" if part["pretrain_seed"].notna().all() else "dense_hash"
    values: dict[Hashable, float] = {}
    for key, each in accuracy.groupby(part[named if of_networks else "repeat"], sort=False):
        seeds = frozenset(part.loc[each.index, "seed"])
        values[key if of_networks else (key, seeds)] = float(each.mean())
    return Sample(values, of_networks, pairs=not (of_networks and is_scratch))


def _described(part: pd.DataFrame) -> dict[str, Any]:
    """What a row is: told by a run that did not diverge, if there is one."""
    whole = part[part["status"] == "ok"]
    first = (whole if len(whole) else part).iloc[0]
    rates = [entry["lr"] for entry in first["history"]]
    learnt = pd.Series(list(map(trainability_accuracy, whole["history"])), index=whole.index, dtype=float)
    by_study = learnt.groupby(whole["study" if part["study"].nunique() > 1 else "repeat"]).mean()
    known = not pd.isna(first["dense_macs"]) and not pd.isna(first["pruned_macs"])
    return {
        "pipeline": first["pipeline"],
        "speedup": float(first["dense_macs"] / first["pruned_macs"]) if known else np.nan,
        "epochs": len(rates),
        "trainability": float(by_study.mean()) if first["pipeline"] != "iterative" else np.nan,
        "stage": first_stage(first["history"]),
        "schedule": _schedule(rates),
    }


def _schedule(rates: Sequence[float]) -> str:
    """Rates by the epoch that they begin in, and the number of epochs: equal texts are equal schedules."""
    starts = [epoch for epoch in range(len(rates)) if epoch == 0 or rates[epoch] != rates[epoch - 1]]
    return ", ".join(f"{epoch}: {rates[epoch]:g}" for epoch in starts) + f"; {len(rates)}"


def _summary(sample: Sample) -> dict[str, Any]:
    values = np.array(list(sample.values.values()))
    kind = "networks" if sample.of_networks else "repeats"
    spread = float(values.std(ddof=1)) if len(values) > 1 else np.nan
    return {"n": len(values), "sample": kind, "mean": float(values.mean()), "sd": spread}


def _nothing() -> dict[str, Any]:
    return {"paired": False, **dict.fromkeys(("difference", "low", "high", "p"), np.nan)}


def _difference(sample: Sample, base: Sample) -> dict[str, Any]:
    shared = list(sample.values.keys() & base.values.keys())
    alike = sample.of_networks == base.of_networks and sample.pairs and base.pairs
    paired = alike and len(shared) == len(sample.values) == len(base.values)
    keys = (shared, shared) if paired else (list(sample.values), list(base.values))
    a, b = (np.array([each.values[key] for key in own]) for each, own in zip((sample, base), keys, strict=True))
    found = {**_nothing(), "paired": paired, "difference": float(a.mean() - b.mean())}
    if min(len(a), len(b)) < 2 or not (np.ptp(a - b) if paired else np.ptp(a) + np.ptp(b)) > ROUNDING:
        return found
    test = ttest_rel(a, b) if paired else ttest_ind(a, b, equal_var=False)
    interval = test.confidence_interval(0.95)
    return {**found, "low": float(interval.low), "high": float(interval.high), "p": float(test.pvalue)}
