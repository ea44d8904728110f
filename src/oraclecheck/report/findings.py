"""Everything that a report says about its runs, computed once and before anything is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pandas as pd

from oraclecheck.analysis.comparison import compare
from oraclecheck.analysis.criterion import ORACLE, Criterion
from oraclecheck.analysis.grouping import group
from oraclecheck.analysis.metrics import FINALS, metric_columns
from oraclecheck.analysis.more_runs import more_runs, variance_components
from oraclecheck.analysis.networks import across_networks, unlike_settings
from oraclecheck.analysis.partial_retraining import mean_partial_retraining, partial_retraining
from oraclecheck.analysis.setups import conditions, setups
from oraclecheck.analysis.shared_networks import compare_settings
from oraclecheck.analysis.tables import combinations_table, correlate
from oraclecheck.analysis.words import describe, in_reading_order, varying
from oraclecheck.report.cells import lacks
from oraclecheck.report.grids import honest_grids, paper_grids
from oraclecheck.report.layouts import (
    COLUMNS,
    comparison_layout,
    networks_comparison_layout,
    settings_layout,
    studies_layout,
    study_layout,
)
from oraclecheck.report.more_runs import components_layout, more_runs_layout
from oraclecheck.report.partial_retraining import partial_layout
from oraclecheck.report.setups import setups_sentence
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
        other_epoch: The rows of `table` at the epoch that was not asked for: the best instead of the last, or the other
            way round. Of a study that lacks it there are none.
        rows: What the table of studies shows: the rows of `table`, or those that stand alone in their group.
        means: The means over networks that it shows.
        by: The columns that a user grouped them by.
        comparison: Rows of `compare`, or of `compare_settings`; None where it was not asked for.
        sides: Studies of A and of B in it.
        criterion: The criterion that all of this is about.
        study_files: Study -> content of its file, where it is at hand.
        partial: Rows of `analysis.partial_retraining`, where records have a history of several epochs.
        partial_means: Their means over dense networks.
        components: Rows of `analysis.more_runs.variance_components`, where a setting has several dense networks.
        more_runs: Rows of `analysis.more_runs.more_runs`, likewise.
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
    sides: Sequence[Sequence[str]] = ()
    criterion: Criterion = ORACLE
    study_files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    other_epoch: pd.DataFrame = field(default_factory=pd.DataFrame)
    partial: pd.DataFrame = field(default_factory=pd.DataFrame)
    partial_means: pd.DataFrame = field(default_factory=pd.DataFrame)
    components: pd.DataFrame = field(default_factory=pd.DataFrame)
    more_runs: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def studies(self) -> list[str]:
        """Names of the studies, in reading order."""
        return list(dict.fromkeys(self.table["study"]))

    def claims_of(self, study: str) -> pd.DataFrame:
        """One study's rows of `table`, then those of `other_epoch`."""
        found = [rows[rows["study"] == study] for rows in (self.table, self.other_epoch) if len(rows)]
        return pd.concat(found, ignore_index=True)

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

    def further(self) -> list[Layout]:
        """How little retraining is enough, where variance comes from, and which more runs would decide it."""
        found = []
        if len(self.partial):
            found.append(partial_layout(self.partial, self.partial_means, self.table, self.networks))
        found += [components_layout(self.components)] if len(self.components) else []
        return [*found, more_runs_layout(self.more_runs)] if len(self.more_runs) else found

    def partial_curves(self) -> list[tuple[str, str, pd.DataFrame, pd.DataFrame, pd.DataFrame]]:
        """What a curve over the epochs is made of, for each setting (of files of points, for each study) and metric.

        Returns:
            For each its metric, its name (empty if there is no other setting), its rows of `partial` and of
            `partial_means`, and the row of the criterion: of `networks` where there are means, else of `table`.
        """
        if self.partial.empty:
            return []
        firsts = self.table[self.table["study"].isin(self.partial["study"])].drop_duplicates("study")
        keys = firsts["setting_hash"].where(firsts["setting_hash"].notna(), firsts["study"])
        settings = [rows for _, rows in firsts.groupby(keys, sort=False)]
        names = [name for name in varying(pd.concat([rows.iloc[:1] for rows in settings])) if name != "pretrain_seed"]
        found = []
        for rows in settings:
            of_setting = self.partial[self.partial["study"].isin(rows["study"])]
            for metric, partial in of_setting.groupby("metric", sort=False):
                means, told = self.partial_means, self.table[self.table["study"] == rows["study"].iloc[0]]
                if len(means):
                    means = means[(means["setting_hash"] == rows["setting_hash"].iloc[0]) & (means["metric"] == metric)]
                if len(means):
                    told = self.networks[self.networks["setting_hash"] == rows["setting_hash"].iloc[0]]
                elif len(rows) > 1:  # of one dense network, several times
                    partial = partial[partial["study"] == rows["study"].iloc[0]]
                told = told[told["metric"] == metric]
                if len(told):
                    found.append((str(metric), describe(rows.iloc[0], names), partial, means, told))
        return found

    def compared(self) -> list[Layout]:
        """The comparison, if one was asked for."""
        if self.comparison is None:
            return []
        setup = self._setup()
        firsts = self.table[self.table["study"].isin([side[0] for side in self.sides])].drop_duplicates("study")
        told = {row["study"]: describe(row, varying(firsts)) for _, row in firsts.iterrows()}
        if "networks" in self.comparison:
            labels = [told[side[0]] or side[0] for side in self.sides]
            return [networks_comparison_layout(self.comparison, labels, setup)]
        labels = [f"{told[name]} ({name})" if told[name] else name for (name,) in self.sides]
        return [comparison_layout(self.comparison, labels, setup)]

    def _setup(self) -> str:
        """Which comparison setups A and B meet, where their studies' files say so; else nothing."""
        dense = self.runs.drop_duplicates("study").set_index("study").get("dense_hash", pd.Series(dtype=object))
        pairs = list(product(*self.sides))
        pair = next((pair for pair in pairs if dense.get(pair[0]) == dense.get(pair[1])), pairs[0])
        files = [self.study_files.get(study, {}) for study in pair]
        rows = [self.runs[self.runs["study"] == study] for study in pair]
        told = [(content.get("definition", {}), content.get("config", {})) for content in files]
        try:
            of_study = [conditions(pair[i], *told[i], rows[i]) for i in range(2)]
        except ValueError:  # files of points and of runs say nothing of it
            return ""
        return setups_sentence(setups(of_study))

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
        comparing: Names of the studies to compare in the order in which they were given: A and B, or those of two
            settings, the first study's being A; None for no comparison.
        study_files: Study -> content of its file (`study.folder.read_studies`), where it is at hand.
        criterion: What is judged; the runs have its column.

    Raises:
        ValueError: As `correlate`, `grouping.group` and `compare`.
    """
    asked: dict[str, Any] = {"final": final, "metric": metric, "criterion": criterion}
    sides = _sides(runs, comparing) if comparing is not None else ()
    comparison = None
    if sides:
        a, b = (runs[runs["study"].isin(side)] for side in sides)
        comparison = (compare if len(sides[0]) == len(sides[1]) == 1 else compare_settings)(a, b, **asked)
    table = in_reading_order(correlate(runs, **asked)).reset_index(drop=True)
    networks = across_networks(table)
    rows, means = group(table, by) if by else (table, networks)
    unlike = unlike_settings(table, {study: content["definition"] for study, content in study_files.items()})
    combos = combinations_table(runs, criterion=criterion)
    partial = partial_retraining(runs, final=final, metric=metric)
    several = table[table["setting_hash"].isin(networks["setting_hash"])]
    return Findings(
        runs=runs,
        combos=combos,
        table=table,
        networks=networks,
        unlike=unlike,
        rows=rows,
        means=means,
        by=tuple(by),
        comparison=comparison,
        sides=sides,
        criterion=criterion,
        study_files=study_files,
        other_epoch=_at_other_epoch(runs, asked),
        partial=partial,
        partial_means=mean_partial_retraining(partial),
        components=variance_components(runs, several, criterion),
        more_runs=more_runs(runs, several, criterion),
    )


def _at_other_epoch(runs: pd.DataFrame, asked: Mapping[str, Any]) -> pd.DataFrame:
    """Rows of `correlate` at the epoch that was not asked for; none where no run knows it."""
    (other,) = set(FINALS) - {asked["final"]}
    known = [column for column in metric_columns(other, asked["metric"]) if column in runs]
    if runs[known].notna().to_numpy().any():
        return correlate(runs, **{**asked, "final": other})
    return pd.DataFrame()


def _sides(runs: pd.DataFrame, studies: Sequence[str]) -> list[list[str]]:
    """The studies of A and those of B: one each, or the networks of two settings."""
    if len(studies) == 2:
        return [[study] for study in studies]
    firsts = runs.drop_duplicates("study").set_index("study")
    sides: dict[str, list[str]] = {}
    for study in studies:
        setting = firsts.loc[study].get("setting_hash")
        sides.setdefault(study if pd.isna(setting) else str(setting), []).append(study)
    if len(sides) != 2:
        what = f"{len(sides)} settings" if len(studies) > 1 else "1"
        named = ", ".join([side[0] for side in sides.values()][:5])
        raise ValueError(f"--compare must get two studies, or the studies of two settings; got {what}: {named}")
    return list(sides.values())
