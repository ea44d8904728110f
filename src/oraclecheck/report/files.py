"""The files of a report: tables that read back unrounded, the same for print, and figures."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from oraclecheck.analysis.figures.comparison import save_comparison
from oraclecheck.analysis.figures.complexity import save_complexity
from oraclecheck.analysis.figures.forest import save_forest
from oraclecheck.analysis.figures.partial_retraining import save_partial_retraining
from oraclecheck.analysis.figures.scatter import save_scatter
from oraclecheck.analysis.figures.scatter_grid import save_scatter_grid
from oraclecheck.analysis.shared_networks import MEAN
from oraclecheck.analysis.words import describe, short_names, study_labels, varying
from oraclecheck.files import write_atomically
from oraclecheck.report.findings import Findings
from oraclecheck.report.layouts import combinations_layout, study_layout
from oraclecheck.report.typesetting import Layout, csv_text, latex, markdown
from oraclecheck.study.identity import OF_DENSE, SETTING

MOST_PANELS = 60
"""Studies that one figure of scatters can show."""


def write_study(findings: Findings, study: str, folder: Path) -> Iterator[Path]:
    """Write what is said of one study, replacing files of an earlier report.

    Args:
        findings: Of the study, maybe among others.
        study: Its name.
        folder: For `table.{csv,md,tex}`, `combinations.{csv,md,tex}` and `scatter_{accuracy,loss}.{png,pdf}`; made if
            absent.

    Yields:
        Each path, once it is written.
    """
    table, combos = findings.of_study(study)
    asked, metrics = _asked(findings), list(table["metric"])
    yield _write_csv(table, folder / "table.csv")
    yield from _typeset(study_layout(table), folder / "table")
    nested = [name for name in combos if name == "removed" or str(name).startswith("repeats_")]
    flat = combos.assign(**{str(name): combos[name].map(json.dumps) for name in nested})
    yield _write_csv(flat, folder / "combinations.csv")
    yield from _typeset(combinations_layout(combos, **asked, metrics=metrics), folder / "combinations")
    for metric in metrics:
        if table["error"].any():  # nothing can be drawn; a figure of an earlier report would be believed
            for suffix in ("png", "pdf"):
                (folder / f"scatter_{metric}.{suffix}").unlink(missing_ok=True)
            continue
        named = {"table": table, "label": study_labels(findings.table)[study]}
        yield from save_scatter(combos, folder / f"scatter_{metric}", metric=metric, **named, **asked)


def write_overview(findings: Findings, folder: Path) -> Iterator[Path]:
    """Write what is said of several studies together, replacing files of an earlier report.

    Args:
        findings: Of at least two studies.
        folder: For `studies.{csv,md,tex}`, `networks.csv`, `settings.{md,tex}`, the grids of layers and ratios, forest
            plots, scatters, complexity panels and comparisons, as far as the studies give them; made if absent.

    Yields:
        Each path, once it is written.
    """
    table, grids, asked = findings.table, findings.grids(), _asked(findings)
    yield _write_csv(table, folder / "studies.csv")
    if len(findings.networks):
        yield _write_csv(findings.networks, folder / "networks.csv")
    if findings.comparison is not None:
        yield _write_csv(findings.comparison, folder / "comparison.csv")
    for grid in grids:
        yield _write_text(csv_text(grid), folder / f"{grid.name}.csv")
    for layout in (findings.summary(), *findings.settings(), *grids, *findings.compared()):
        yield from _typeset(layout, folder / layout.name)
    for metric in dict.fromkeys(table["metric"]):
        measured = table[(table["metric"] == metric) & (table["error"] == "")]
        yield from save_forest(table, findings.networks, folder / f"forest_{metric}", metric=metric)
        for name, setting in _settings_of_several_networks(measured):
            sizes = findings.runs.groupby("study")["dense_params"].first()
            sized = setting.assign(dense_params=setting["study"].map(sizes))
            sized = sized if sized["dense_params"].notna().all() else setting
            yield from save_complexity(sized, folder / f"complexity_{metric}{name}", metric=metric)
        if 0 < measured["study"].nunique() <= MOST_PANELS:
            runs = findings.runs[findings.runs["study"].isin(measured["study"])]
            yield from save_scatter_grid(runs, folder / f"scatters_{metric}", metric=metric, table=table, **asked)
        for name, pair in _compared_pairs(findings, metric):
            runs = findings.runs[findings.runs["study"].isin(pair)]
            yield from save_comparison(runs, folder / name, metric=metric, **asked)
        for pair in _retraining_pairs(measured):
            name = "_".join([f"retraining_{metric}", *short_names(pair)])
            runs = findings.runs[findings.runs["study"].isin(pair)]
            yield from save_comparison(runs, folder / name, metric=metric, **asked)


def write_further(findings: Findings, folder: Path) -> Iterator[Path]:
    """Write how little retraining is enough, where variance comes from, and which more runs would decide, if known.

    Args:
        findings: Of one study or several.
        folder: For `partial`, `components` and `more_runs` as csv, md and tex, and figures `partial_{accuracy,loss}`,
            of several settings `partial_accuracy_1` and so on; made if absent.

    Yields:
        Each path, once it is written.
    """
    tables = {
        "partial": pd.concat([findings.partial, findings.partial_means]),
        "components": findings.components,
        "more_runs": findings.more_runs,
    }
    for layout in findings.further():
        yield _write_csv(tables[layout.name], folder / f"{layout.name}.csv")
        yield from _typeset(layout, folder / layout.name)
    curves = findings.partial_curves()
    names = list(dict.fromkeys(name for _, name, *_ in curves))
    for metric, name, partial, means, criterion in curves:
        stem = folder / f"partial_{metric}{f'_{names.index(name) + 1}' if len(names) > 1 else ''}"
        yield from save_partial_retraining(partial, means, criterion, stem, label=name or None)


def _asked(findings: Findings) -> dict[str, Any]:
    return {"final": findings.table["final"].iloc[0], "criterion": findings.criterion}


def _settings_of_several_networks(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Studies of several networks alike in all else, which alone can be compared; with an ending for a file's name."""
    same = [name for name in SETTING if name not in ("model", "order", "space_size")]
    groups = [rows for _, rows in table.groupby([table[name].map(str) for name in same], sort=False)]
    groups = [rows for rows in groups if rows["model"].nunique() > 1]
    if len(groups) < 2:
        return [("", rows) for rows in groups]
    names = [name for name in varying(pd.concat([rows.iloc[:1] for rows in groups])) if name in same]
    return [("_" + re.sub(r"[^\w.]+", "-", describe(rows.iloc[0], names)), rows) for rows in groups]


def _compared_pairs(findings: Findings, metric: str) -> list[tuple[str, list[str]]]:
    """The pairs of studies that a comparison is of, each with its figure's name: one, or one for each network."""
    if findings.comparison is None:
        return []
    rows = findings.comparison[(findings.comparison["metric"] == metric) & (findings.comparison["study_a"] != MEAN)]
    pairs = [[row["study_a"], row["study_b"]] for _, row in rows.iterrows()]
    ends = ["_".join(["", *short_names(pair)]) if len(pairs) > 1 else "" for pair in pairs]
    return [(f"comparison_{metric}{end}", pair) for end, pair in zip(ends, pairs, strict=True)]


def _retraining_pairs(table: pd.DataFrame) -> list[list[str]]:
    """Every two studies that differ in nothing but how much of the retraining was run."""
    same = [table[name].map(str) for name in (*SETTING, *OF_DENSE) if name != "retrain_fraction"]
    pairs = [rows for _, rows in table.groupby(same, sort=False) if len(rows) == 2]
    return [list(pair["study"]) for pair in pairs if varying(pair) == ["retrain_fraction"]]


def _write_csv(table: pd.DataFrame, path: Path) -> Path:
    return _write_text(table.to_csv(index=False), path)


def _typeset(layout: Layout, stem: Path) -> Iterator[Path]:
    for suffix, typeset in (("md", markdown), ("tex", latex)):
        yield _write_text(typeset(layout), stem.with_name(f"{stem.name}.{suffix}"))


def _write_text(text: str, path: Path) -> Path:
    write_atomically(path, lambda file: file.write(text.encode()))
    return path
