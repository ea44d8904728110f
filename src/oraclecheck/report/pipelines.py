"""Tables of pipelines over pruning ratios, laid out as Tables 4 to 8 of Wang et al., and of rounds, as Table A3."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from oraclecheck.analysis.outcomes import OUTCOMES
from oraclecheck.analysis.pipelines import pipelines_table
from oraclecheck.analysis.rounding import UNDEFINED, decimal, p_value
from oraclecheck.analysis.rounds import rounds_table
from oraclecheck.analysis.setups import Conditions, conditions, met_by_all, setups, strictest
from oraclecheck.files import write_atomically
from oraclecheck.report.typesetting import Layout, latex, markdown

PRINTED_SPEEDUPS = {
    "resnet34": {"0.1": 1.11, "0.3": 1.41, "0.5": 1.93, "0.7": 3.09, "0.9": 7.68, "0.95": 12.06},
    "resnet56": {"0.3": 1.45, "0.5": 1.99, "0.7": 3.59, "0.9": 11.41},
    "vgg19": {"0.3": 1.23, "0.5": 1.97, "0.7": 3.60, "0.9": 8.84},
}
"""Network -> pruning ratio -> speed-up, as Tables 4, 6 and 7 of the paper print it."""


@dataclass(frozen=True)
class PipelineFindings:
    """What is known of several pipelines.

    Attributes:
        table: Rows of `pipelines_table`, with the comparison setups that each difference meets (`setup`, text).
        rounds: Rows of `rounds_table`; none if no pipeline has rounds.
        model: Their network.
        without: Study -> its runs that failed or have not ended, of those that have any.
    """

    table: pd.DataFrame
    rounds: pd.DataFrame
    model: str
    without: Mapping[str, int]

    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables that are not empty, unrounded, by name."""
        return {"pipelines": self.table} | ({"rounds": self.rounds} if len(self.rounds) else {})

    def lacking(self) -> list[str]:
        """What the numbers lack, a sentence for each study that lacks something."""
        return [
            f"{study}: {count} run{'' if count == 1 else 's'} failed or unfinished: the numbers do not include them"
            for study, count in self.without.items()
        ]

    def layouts(self) -> list[Layout]:
        """The tables that are printed."""
        rounds = [_rounds_layout(self.rounds)] if len(self.rounds) else []
        found = [_means_layout(self.table, self.model), _differences_layout(self.table), _trainability(self.table)]
        return [*(each for each in found if each.rows), *rounds]


def find_pipelines(
    runs: pd.DataFrame, *, final: str, baseline: str | None, study_files: Mapping[str, Mapping[str, Any]] | None = None
) -> PipelineFindings:
    """Compare the pipelines of some runs.

    Args:
        runs: Runs of several studies.
        final: "last" or "best".
        baseline: See `pipelines_table`.
        study_files: What `read_studies` gives; without a study's file nobody knows which setups it meets.

    Raises:
        ValueError: As `pipelines_table`; if the studies are of several networks or data sets.
    """
    for name in ("model", "data"):
        if runs[name].nunique() > 1:
            several = ", ".join(map(str, runs[name].unique()))
            raise ValueError(f"--pipelines needs studies of one {name}; got {several}: choose some of the studies")
    table = pipelines_table(runs, final=final, baseline=baseline)
    table["setup"] = _setups(table, runs, study_files or {})
    lacking = runs.loc[~runs["status"].isin(OUTCOMES), "study"].value_counts(sort=False)
    without = {str(study): int(count) for study, count in lacking.items()}
    return PipelineFindings(table, rounds_table(runs, final=final), str(runs["model"].iloc[0]), without)


def write_pipelines(findings: PipelineFindings, folder: Path) -> Iterator[Path]:
    """Write `pipelines.csv`, `rounds.csv` and layouts as Markdown and LaTeX; gives each path once it is written."""
    texts = {f"{name}.csv": table.to_csv(index=False) for name, table in findings.tables().items()}
    for layout in findings.layouts():
        texts |= {f"{layout.name}.md": markdown(layout), f"{layout.name}.tex": latex(layout)}
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda file, text=text: file.write(text.encode()))  # type: ignore[misc]
        yield path


def _setups(table: pd.DataFrame, runs: pd.DataFrame, files: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The setups that each row meets beside the baseline, in every dense network; empty where nothing is compared."""
    of_study = {str(study): part for study, part in runs.groupby("study")}
    seeds = {study: part["pretrain_seed"].iloc[0] for study, part in of_study.items()}
    known: dict[str, Conditions | None] = {}

    def condition(study: str) -> Conditions | None:
        if study not in known:
            content = files.get(study, {})
            try:
                known[study] = conditions(
                    study, content.get("definition", {}), content.get("config", {}), of_study[study]
                )
            except ValueError:  # files of points and of runs say nothing of it
                known[study] = None
        return known[study]

    bases = {
        row["pruning_ratio"]: row["studies"].split(", ") for _, row in table.iterrows() if row["row"] == row["baseline"]
    }
    found = []
    for _, row in table.iterrows():
        if pd.isna(row["difference"]):
            found.append("")
            continue
        base = bases[row["pruning_ratio"]]
        pairs = [
            (study, next((other for other in base if seeds[other] == seeds[study]), base[0]))
            for study in row["studies"].split(", ")
        ]
        sides = [[condition(study) for study in pair] for pair in pairs]
        complete = [[each for each in pair if each is not None] for pair in sides]
        is_known = all(len(pair) == 2 for pair in complete)
        found.append(strictest(met_by_all([setups(pair) for pair in complete])) if is_known else "not known")
    return found


def _by_ratio(table: pd.DataFrame) -> list[str]:
    return sorted(table["pruning_ratio"].unique(), key=_number)


def _number(ratio: str) -> tuple[float, str]:
    try:
        return float(ratio), ratio
    except ValueError:
        return 1.0, ratio


def _means_layout(table: pd.DataFrame, model: str) -> Layout:
    ratios = _by_ratio(table)
    cells = {(row["row"], row["pruning_ratio"]): _mean(row) for _, row in table.iterrows()}
    rows = [(row, *(cells.get((row, ratio), "") for ratio in ratios)) for row in dict.fromkeys(table["row"])]
    speedups = table.groupby("pruning_ratio")["speedup"].first()
    rows += [(), ("speed-up", *(_times(speedups[ratio]) for ratio in ratios))]
    if printed := PRINTED_SPEEDUPS.get(model):
        rows.append(("speed-up as printed", *(_times(printed.get(ratio)) for ratio in ratios)))
    samples = ", ".join(dict.fromkeys(f"{row['n']} {row['sample']}" for _, row in table.iterrows()))
    notes = (f"Mean and standard deviation (n - 1) over {samples}.",)
    title = "Test accuracy after retraining (%), by pruning ratio"
    return Layout("pipelines", title, ("pipeline", *ratios), tuple(rows), notes, left=1)


def _times(speedup: float | None) -> str:
    return UNDEFINED if speedup is None or pd.isna(speedup) else f"{speedup:.2f}x"


def _mean(row: pd.Series) -> str:
    spread = "" if pd.isna(row["sd"]) else f" ± {decimal(100 * row['sd'])}"
    return f"{decimal(100 * row['mean'])}{spread}"


def _differences_layout(table: pd.DataFrame) -> Layout:
    shown = table[table["difference"].notna()]
    rows: list[tuple[str, ...]] = []
    for ratio in _by_ratio(shown):
        rows += [()] if rows else []
        for _, row in shown[shown["pruning_ratio"] == ratio].iterrows():
            interval = UNDEFINED
            if not pd.isna(row["low"]):
                interval = f"[{decimal(100 * row['low'])}, {decimal(100 * row['high'])}]"
            stands = "stands" if row["p_holm"] < 0.05 else ""
            numbers = (
                decimal(100 * row["difference"]),
                interval,
                p_value(row["p"]),
                p_value(row["p_holm"]),
                stands,
                row["setup"],
            )
            rows.append((ratio, row["row"], str(row["n"]), *numbers))
    title = f"Difference from {table['baseline'].iloc[0]} in points of test accuracy"
    heads = ("ratio", "pipeline", "n", "difference", "95 %", "p", "Holm", "", "setup")
    notes = (
        "t-intervals and t-tests over dense networks or repeats, in pairs where both have the same, else Welch's; "
        "Holm: over all rows of this table; a difference stands where that is below 0.05; setup: the strictest "
        "comparison setup of arXiv 2301.05219 that both meet.",
    )
    return Layout("pipelines_differences", title, heads, tuple(rows), notes, left=2)


def _trainability(table: pd.DataFrame) -> Layout:
    """Trainability accuracy beside accuracy, for rows that others of the same schedule stand beside."""
    rows: list[tuple[str, ...]] = []
    known = table[table["trainability"].notna()]
    for schedule, group in known.groupby("schedule", sort=False):
        if len(group) < 2:
            continue
        rows += [()] if rows else []
        for _, row in group.sort_values("trainability", ascending=False).iterrows():
            learnt = decimal(100 * row["trainability"])
            cells = (row["pruning_ratio"], row["row"], str(row["stage"]), learnt, decimal(100 * row["mean"]))
            rows.append((str(schedule).partition(";")[0], *cells))
    title = "Trainability accuracy (%): mean test accuracy of the first stage of a schedule"
    heads = ("schedule", "ratio", "pipeline", "epochs of the stage", "trainability", "accuracy")
    notes = ("arXiv 2301.05219, Eq. 1; comparable only under the same schedule.",)
    return Layout("trainability", title, heads, tuple(rows), notes, left=3)


def _rounds_layout(rounds: pd.DataFrame) -> Layout:
    rows: list[tuple[str, ...]] = []
    for _, group in rounds.groupby("study", sort=False):
        rows += [()] if rows else []
        for _, row in group.iterrows():
            taus = (
                f"{decimal(row[f'tau_{metric}'])} ({p_value(row[f'p_{metric}'])})" for metric in ("loss", "accuracy")
            )
            rows.append((row["study"], f"{row['round']}/{row['rounds']}", str(row["n"]), str(row["k"]), *taus))
    heads = ("study", "round", "n", "k", "tau with test loss (p)", "tau with test accuracy (p)")
    notes = ("Of the pruned train loss right after each round's pruning; p: scipy's.",)
    return Layout("rounds", "Agreement by round of iterative pruning", heads, tuple(rows), notes, left=2)
