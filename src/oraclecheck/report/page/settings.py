"""What a study was run with: its configuration, the machine, the versions, and the command that runs it again."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from oraclecheck.analysis.words import spell


def sweep_commands(runs: pd.DataFrame, studies: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Study -> the command for the combinations and repeats that its runs are of, where its file is known.

    Args:
        runs: One row per record.
        studies: Study -> content of its file (`study.folder.read_studies`).
    """
    commands = {}
    for study, rows in runs[runs["picked_by"].isna() & runs["combo"].notna()].groupby("study"):
        if str(study) in studies:
            combos, repeats = (_indices(rows[name].unique().tolist()) for name in ("combo", "repeat"))
            words = [*studies[str(study)]["overrides"], f"combo={combos}", *[f"repeat={repeats}"] * (repeats != "0")]
            commands[str(study)] = shlex.join(["python", "-m", "oraclecheck", "-m", *words])
    return commands


def _indices(indices: Sequence[int]) -> str:
    """A sweep over the indices: range(n) where they are the first n."""
    wanted = sorted(indices)
    if wanted == list(range(len(wanted))) and len(wanted) > 1:
        return f"range({len(wanted)})"
    return ",".join(map(str, wanted))


def flat(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Dotted keys and values of a configuration, as they are written on the command line."""
    if isinstance(value, Mapping) and (value or not key):
        for name, item in value.items():
            yield from flat(item, f"{key}.{name}".lstrip("."))
    else:
        yield key, value if isinstance(value, str) else json.dumps(value)


def provenance(runs: pd.DataFrame) -> list[tuple[str, str]]:
    """Names and values of what the study's records say about themselves; several values with their runs counted."""
    found = [("network", _sizes(runs)), ("dense network", _dense(runs))]
    found += [(name, _spread(runs[name])) for name in ("device", "threads")]
    versions = pd.DataFrame([value if isinstance(value, Mapping) else {} for value in runs["versions"]])
    found += [(package, _spread(versions[package])) for package in sorted(map(str, versions))]
    if seconds := float(runs["duration_total"].sum()):
        found.append(("computing time", f"{seconds / 3600:.2f} hours in {runs['duration_total'].count():,} runs"))
    return [(name, value) for name, value in found if value]


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
        for metric, form in (("accuracy", "{:.2%}"), ("loss", "{:.4f}")):
            values = runs[f"dense_{part}_{metric}"].dropna()
            texts += [f"{part} {metric} {form.format(values.iloc[0]).replace('%', ' %')}"] if len(values) else []
    return ", ".join(texts)
