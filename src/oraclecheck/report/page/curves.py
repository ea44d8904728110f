"""How little retraining is enough, as curves that the page draws: places in a picture of 360 by 200."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from oraclecheck.analysis.partial_retraining import partial_epoch
from oraclecheck.analysis.rounding import agreement, decimal
from oraclecheck.report.findings import Findings

_LEFT, _RIGHT, _TOP, _BOTTOM = 30.0, 350.0, 8.0, 184.0


def curves(findings: Findings) -> list[dict[str, Any]]:
    """A curve for each setting and metric; see `Findings.partial_curves`.

    Returns:
        For each its `title`, `words` (for those who do not see it), `ticks` (place and text of the vertical axis),
        `epochs` (of the horizontal one), `tenth` (where 10 % of the epochs are), the height of the `criterion`'s s, and
        the points of `tau`, `other` and the `band` of the interval, the latter two empty where there are none.
    """
    return [_curve(*parts) for parts in findings.partial_curves()]


def _curve(metric: str, name: str, partial: pd.DataFrame, means: pd.DataFrame, table: pd.DataFrame) -> dict[str, Any]:
    drawn = (means if len(means) else partial).sort_values("epoch")
    epochs, s = int(drawn["epochs"].iloc[0]), float(table["agreement"].iloc[0])
    shown = [0.0, s, *drawn[["tau", "tau_low", "tau_other"]].to_numpy(float).ravel()]
    least = max(-1.0, float(np.floor(np.nanmin(shown) * 5) / 5))

    def x(epoch: float) -> float:
        return round(_LEFT + (_RIGHT - _LEFT) * (epoch - 1) / (epochs - 1), 1)

    def y(value: float) -> float:
        return round(_BOTTOM - (_BOTTOM - _TOP) * (min(max(value, least), 1) - least) / (1 - least), 1)

    def points(values: Iterable[float], at: Iterable[int]) -> str:
        return " ".join(f"{x(e)},{y(v)}" for e, v in zip(at, values, strict=True) if not pd.isna(v))

    band = drawn.dropna(subset=["tau_low"])
    back = band.iloc[::-1]
    both = f"{points(band['tau_high'], band['epoch'])} {points(back['tau_low'], back['epoch'])}".strip()
    tenth = partial_epoch(epochs)
    at = decimal(drawn.loc[drawn["epoch"] == tenth, "tau"].iloc[0])
    count = f"mean over {drawn['networks'].iloc[0]} dense networks" if len(means) else "one dense network"
    return {
        "title": ", ".join(filter(None, [name, f"test {metric}", count])),
        "words": f"{at} after {tenth} of {epochs} epochs; s of {table['criterion'].iloc[0]} {agreement(s)}",
        "ticks": [(y(tick), f"{tick:g}") for tick in np.round(np.arange(least, 1.01, 0.2 if least > -0.5 else 0.5), 1)],
        "epochs": [(x(epoch), str(epoch)) for epoch in sorted({1, tenth, round(epochs / 2), epochs})],
        "tenth": x(tenth),
        "criterion": y(0.0 if pd.isna(s) else s),
        "tau": points(drawn["tau"], drawn["epoch"]),
        "other": points(drawn["tau_other"], drawn["epoch"]),
        "band": both,
    }
