"""What a study was run with: its configuration, the machine, the versions."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from oraclecheck.analysis.words import spell

_METRICS = {"accuracy": lambda value: f"{100 * value:.2f} %", "loss": lambda value: f"{value:.4f}"}


def flat(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Dotted keys and values of a configuration, as they are written on the command line."""
    return list(_leaves(config, ""))


def provenance(runs: pd.DataFrame) -> list[tuple[str, str]]:
    """Names and values of what the study's records say about themselves; several values with their runs counted."""
    found = [("network", _sizes(runs)), ("dense network", _dense(runs))]
    found += [(name, _spread(runs[name])) for name in ("device", "threads")]
    versions = pd.DataFrame([value if isinstance(value, Mapping) else {} for value in runs["versions"]])
    found += [(package, _spread(versions[package])) for package in sorted(map(str, versions))]
    if seconds := float(runs["duration_total"].sum()):
        found.append(("computing time", f"{seconds / 3600:.2f} hours in {runs['duration_total'].count():,} runs"))
    return [(name, value) for name, value in found if value]


def _leaves(value: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and (value or not key):
        for name, item in value.items():
            yield from _leaves(item, f"{key}.{name}".lstrip("."))
    else:
        yield key, value if isinstance(value, str) else json.dumps(value)


def _spread(values: pd.Series) -> str:
    counts = values.dropna().map(lambda value: spell(str(values.name), value)).value_counts()
    if len(counts) < 2:
        return "".join(counts.index)
    return ", ".join(f"{value} ({count:,} runs)" for value, count in counts.sort_index().items())


def _sizes(runs: pd.DataFrame) -> str:
    texts = []
    for unit, words in (("params", "parameters"), ("macs", "multiply-accumulates")):
        dense, pruned = (runs[f"{network}_{unit}"].dropna() for network in ("dense", "pruned"))
        if len(dense) and len(pruned):
            texts.append(f"{dense.iloc[0]:,.0f} → {pruned.iloc[0]:,.0f} {words}")
    return ", ".join(texts)


def _dense(runs: pd.DataFrame) -> str:
    texts = []
    for part in ("train", "test"):
        for metric, form in _METRICS.items():
            values = runs[f"dense_{part}_{metric}"].dropna()
            texts += [f"{part} {metric} {form(values.iloc[0])}"] if len(values) else []
    return ", ".join(texts)
