"""What a study was run with: its configuration, the machine, the versions."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

_METRICS = {"accuracy": lambda value: f"{100 * value:.2f} %", "loss": lambda value: f"{value:.4f}"}


def flat(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Dotted keys and values of a configuration, as they are written on the command line."""
    return list(_leaves(config, ""))


def provenance(runs: pd.DataFrame) -> list[tuple[str, str]]:
    """Names and values of what the study's records say about themselves; several values with their runs counted."""
    found = [("network", _sizes(runs)), ("dense network", _dense(runs))]
    found += [(name, _spread(runs, name)) for name in ("device", "threads")]
    if "versions" in runs.columns:
        versions = [value if isinstance(value, Mapping) else {} for value in runs["versions"]]
        packages = sorted({package for mapping in versions for package in mapping})
        table = pd.DataFrame([{package: mapping.get(package) for package in packages} for mapping in versions])
        found += [(package, _spread(table, package)) for package in packages]
    if "duration_total" in runs.columns and (seconds := float(runs["duration_total"].sum())):
        found.append(("computing time", f"{seconds / 3600:.2f} hours in {runs['duration_total'].count():,} runs"))
    return [(name, value) for name, value in found if value]


def _leaves(value: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and (value or not key):
        for name, item in value.items():
            yield from _leaves(item, f"{key}.{name}".lstrip("."))
    else:
        yield key, value if isinstance(value, str) else json.dumps(value)


def _spread(runs: pd.DataFrame, column: str) -> str:
    if column not in runs.columns:
        return ""
    counts = runs[column].dropna().map(_whole).value_counts()
    if len(counts) < 2:
        return "".join(counts.index)
    return ", ".join(f"{value} ({count:,} runs)" for value, count in counts.sort_index().items())


def _whole(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _first(runs: pd.DataFrame, column: str) -> float | None:
    if column not in runs.columns or (values := runs[column].dropna()).empty:
        return None
    return float(values.iloc[0])


def _sizes(runs: pd.DataFrame) -> str:
    texts = []
    for unit, words in (("params", "parameters"), ("macs", "multiply-accumulates")):
        dense, pruned = _first(runs, f"dense_{unit}"), _first(runs, f"pruned_{unit}")
        if dense and pruned:
            texts.append(f"{dense:,.0f} → {pruned:,.0f} {words}")
    return ", ".join(texts)


def _dense(runs: pd.DataFrame) -> str:
    texts = []
    for part in ("train", "test"):
        for metric, form in _METRICS.items():
            value = _first(runs, f"dense_{part}_{metric}")
            if value is not None:
                texts.append(f"{part} {metric} {form(value)}")
    return ", ".join(texts)
