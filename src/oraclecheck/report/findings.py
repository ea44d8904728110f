"""Everything that a report says about its runs, computed once and before anything is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from oraclecheck.analysis.comparison import compare
from oraclecheck.analysis.criterion import ORACLE, Criterion
from oraclecheck.analysis.grouping import group
from oraclecheck.analysis.networks import across_networks, unlike_settings
from oraclecheck.analysis.tables import combinations_table, correlate
from oraclecheck.analysis.words import describe, in_reading_order, varying
from oraclecheck.report.cells import lacks
from oraclecheck.report.grids import honest_grids, paper_grids
from oraclecheck.report.layouts import COLUMNS, comparison_layout, settings_layout, studies_layout, study_layout
from oraclecheck.report.typesetting import Layout


@dataclass(frozen=True)
class Findings:
    """What is known of some runs.

    Attributes:
        runs: The runs of one or more studies.
        combos: Their rows of `combinations_table`.
        table: Their rows of `correlate`, in reading order.
        networks: Their rows of `across_networks`.
        unlike: Their tables of `unlike_settings`.
        rows: What the table of studies shows: the rows of `table`, or those that stand alone in their group.
        means: The means over networks that it shows.
        by: The columns that a user grouped them by.
        comparison: Rows of `compare`; None where it was not asked for.
        criterion: The criterion that all of this is about.
        study_files: Study -> content of its file, where it is at hand.
    """

    runs: pd.DataFrame
    combos: pd.DataFrame
    table: pd.DataFrame
    networks: pd.DataFrame
    unlike: list[pd.DataFrame]
    rows: pd.DataFrame
    means: pd.DataFrame
    by: tuple[str, ...] = ()
    comparison: pd.DataFrame | None = None
    criterion: Criterion = ORACLE
    study_files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def studies(self) -> list[str]:
        """Names of the studies, in reading order."""
        return list(dict.fromkeys(self.table["study"]))

    def of_study(self, study: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """One study's rows of `table` and of `combos`."""
        return self.table[self.table["study"] == study], self.combos[self.combos["study"] == study]

    def summary(self, columns: Sequence[str] = COLUMNS) -> Layout:
        """The table of the report: of the one study, or of all, with some columns."""
        if len(self.studies) == 1:
            return study_layout(self.table)
        return studies_layout(self.rows, self.means, self.by, columns=columns)

    def grids(self) -> list[Layout]:
        """Layers and ratios as in the paper's Table 2, and with their uncertainty; none of a single study."""
        asked: Any = {"criterion": self.criterion, "networks": self.networks}
        return [*paper_grids(self.table, **asked), *honest_grids(self.table, **asked)]

    def settings(self) -> list[Layout]:
        """What tells settings apart that look alike in the table of studies, if there are such."""
        return [settings_layout(self.unlike)] if self.unlike else []

    def compared(self) -> list[Layout]:
        """The comparison, if one was asked for."""
        if self.comparison is None:
            return []
        studies = self.table.drop_duplicates("study").set_index("study")
        names = [self.comparison[f"study_{side}"].iloc[0] for side in "ab"]
        told = [describe(studies.loc[name], varying(studies)) for name in names]
        labels = [f"{words} ({name})" if words else name for words, name in zip(told, names, strict=True)]
        return [comparison_layout(self.comparison, labels)]

    def lacking(self) -> list[str]:
        """What the numbers lack, a sentence for each study that lacks something."""
        lines = []
        for study in self.studies:
            table, combos = self.of_study(study)
            picks = combos[combos["picked_by"].notna()]
            without = int((picks["failed"] + picks["unfinished"]).sum())
            parts = [text] if (text := lacks(table.iloc[0])) else []
            parts += [f"{without} runs of combinations that a criterion picked have no outcome"] if without else []
            lines += [f"{study}: {'; '.join(parts)}"] if parts else []
        return lines


def find(
    runs: pd.DataFrame,
    *,
    final: str,
    metric: str,
    by: Sequence[str] = (),
    comparing: Sequence[str] | None = None,
    study_files: Mapping[str, Mapping[str, Any]],
    criterion: Criterion = ORACLE,
) -> Findings:
    """Compute what a report needs.

    Args:
        runs: The runs of one or more studies.
        final: "last" or "best".
        metric: "accuracy", "loss" or "both".
        by: Columns that name a row of the table of studies; none: a row for each study.
        comparing: Names of two studies to compare, A and B; None for no comparison.
        study_files: Study -> content of its file (`study.folder.read_studies`), where it is at hand.
        criterion: What is judged; the runs have its column.

    Raises:
        ValueError: As `correlate`, `grouping.group` and `compare`.
    """
    asked: dict[str, Any] = {"final": final, "metric": metric, "criterion": criterion}
    comparison = None
    if comparing is not None:
        if len(comparing) != 2:
            raise ValueError(f"--compare must get two studies; got {len(comparing)}: {', '.join(comparing[:5])}")
        comparison = compare(*(runs[runs["study"] == name] for name in comparing), **asked)
    table = in_reading_order(correlate(runs, **asked)).reset_index(drop=True)
    networks = across_networks(table)
    rows, means = group(table, by) if by else (table, networks)
    unlike = unlike_settings(table, {study: content["definition"] for study, content in study_files.items()})
    combos = combinations_table(runs, criterion=criterion)
    return Findings(runs, combos, table, networks, unlike, rows, means, tuple(by), comparison, criterion, study_files)
