"""How little retraining is enough: the table."""

from collections.abc import Mapping

import pandas as pd

from oraclecheck.analysis.partial_retraining import SHARE, partial_epoch
from oraclecheck.analysis.rounding import UNDEFINED, decimal
from oraclecheck.analysis.words import short_names
from oraclecheck.report.typesetting import Layout

SHARES = (SHARE, 0.25, 0.5)


def partial_layout(partial: pd.DataFrame, means: pd.DataFrame, table: pd.DataFrame, networks: pd.DataFrame) -> Layout:
    """The agreement with the end after one epoch and after shares of all, beside the criterion's.

    Args:
        partial: Rows of `analysis.partial_retraining.partial_retraining`.
        means: Rows of its `mean_partial_retraining`.
        table: Rows of `correlate` of the same studies.
        networks: Rows of `across_networks`.
    """
    s_of_study = {(row["study"], row["metric"]): row["agreement"] for _, row in table.iterrows()}
    s_of_setting = {(row["setting_hash"], row["metric"]): row["agreement"] for _, row in networks.iterrows()}
    rows = _rows(partial.assign(name=short_names(partial["study"]), key=partial["study"]), s_of_study)
    if len(means):
        rows += [(), *_rows(means.assign(name="mean", key=means["setting_hash"]), s_of_setting)]
    criterion = table["criterion"].iloc[0]
    heads = (
        "study",
        "metric",
        "epochs",
        "after 1",
        *(f"after {share:.0%}" for share in SHARES),
        "another's",
        criterion,
    )
    notes = (
        "Kendall's tau-b between the metric after so many epochs and the final one, with its 95 % interval; "
        f"another's: after {SHARE:.0%}, with the end of another repeat, which shares no noise with it. {criterion}: "
        "its s with the final metric.",
    )
    return Layout("partial", "How little retraining is enough", heads, tuple(rows), notes, left=2)


def _rows(part: pd.DataFrame, s: Mapping[tuple[str, str], float]) -> list[tuple[str, ...]]:
    rows = []
    for (key, metric), group in part.groupby(["key", "metric"], sort=False):
        epochs = int(group["epochs"].iloc[0])
        at = {row["epoch"]: row for _, row in group.iterrows()}
        cells = [_cell(at[epoch]) for epoch in (1, *(partial_epoch(epochs, share) for share in SHARES))]
        other = decimal(at[partial_epoch(epochs)]["tau_other"])
        of_criterion = decimal(s.get((str(key), str(metric))))
        rows.append((str(group["name"].iloc[0]), str(metric), str(epochs), *cells, other, of_criterion))
    return rows


def _cell(row: pd.Series) -> str:
    if pd.isna(row["tau"]):
        return UNDEFINED
    ends = "" if pd.isna(row["tau_low"]) else f" [{decimal(row['tau_low'])}, {decimal(row['tau_high'])}]"
    return f"{decimal(row['tau'])}{ends}"
