"""oraclecheck: does the loss right after pruning predict accuracy after retraining?

In a notebook: `runs = oc.load_runs("multirun/<study>")`, `oc.correlate(runs)`, `oc.plot_scatter(runs)`.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "load_runs": "oraclecheck.records.table",
    "save_runs": "oraclecheck.records.runs_file",
    "combinations_table": "oraclecheck.analysis.tables",
    "correlate": "oraclecheck.analysis.tables",
    "across_networks": "oraclecheck.analysis.networks",
    "with_scores": "oraclecheck.records.scored_runs",
    "judge": "oraclecheck.analysis.criteria",
    "compare": "oraclecheck.analysis.comparison",
    "compare_settings": "oraclecheck.analysis.shared_networks",
    "plot_scatter": "oraclecheck.analysis.figures.scatter",
    "plot_scatter_grid": "oraclecheck.analysis.figures.scatter_grid",
    "plot_forest": "oraclecheck.analysis.figures.forest",
    "plot_complexity": "oraclecheck.analysis.figures.complexity",
    "plot_comparison": "oraclecheck.analysis.figures.comparison",
    "plot_criteria": "oraclecheck.analysis.figures.criteria",
}
__all__ = [
    "across_networks",
    "combinations_table",
    "compare",
    "compare_settings",
    "correlate",
    "judge",
    "load_runs",
    "plot_comparison",
    "plot_complexity",
    "plot_criteria",
    "plot_forest",
    "plot_scatter",
    "plot_scatter_grid",
    "save_runs",
    "with_scores",
]


def __getattr__(name: str) -> Any:
    """Import the public functions when they are first used: pandas and scipy take seconds."""
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
