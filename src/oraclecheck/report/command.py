"""One command from runs to tables and figures: `python -m oraclecheck.report multirun/<study>`."""

import argparse
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oraclecheck.exits import COMPLETE, INCOMPLETE, INTERRUPTED, USER_ERROR, Parser
from oraclecheck.report.homes import check_folder, homes
from oraclecheck.waiting import waiting

# pandas, scipy and matplotlib take seconds to import; `--help` and a mistyped path should not wait for them.
if TYPE_CHECKING:
    import pandas as pd

    from oraclecheck.records.scores import Scores
    from oraclecheck.records.wandb.server import WandbSettings
    from oraclecheck.report.criteria import CriteriaFindings
    from oraclecheck.report.findings import Findings

ALL = "all"

FORMATS = ("table", "md", "latex", "csv", "json")


def main(argv: Sequence[str] | None = None) -> int:
    """Report on runs; returns the exit code.

    0: every run has an outcome. 1: the report is there, but runs are missing, failed or unfinished, and lines on stderr
    say which. 2: the user has to mend something, and a line says what; nothing was written, unless that line names a
    file that could not be: then those before it are whole, and there is nothing of it.

    Args:
        argv: Command line without the program's name; None reads `sys.argv`.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = _parser().parse_args(arguments)
    try:
        return _report(options, shlex.join(["python", "-m", "oraclecheck.report", *arguments]))
    except KeyboardInterrupt:
        return INTERRUPTED
    except (ValueError, OSError) as error:
        _say(" ".join(str(error).split()))
        return USER_ERROR


def _parser() -> Parser:
    parser = Parser(prog="python -m oraclecheck.report", description=__doc__)
    add = parser.add_argument
    kinds = "a study, multirun/<study>; a folder of studies; wandb:ENTITY/PROJECT[/GROUP]; a CSV or Parquet file"
    compared = "compare two studies, or two settings over the dense networks that both have"
    pipelines = "compare pipelines over pruning ratios, with the one of this name or with scratch"
    place = "where to write; default: report/ in the study, or here if there is none"
    add("sources", nargs="+", metavar="SOURCE", help=kinds)
    add("--out", type=Path, metavar="DIR", help=place)
    add("--final", choices=["last", "best"], default="last", help="metrics of the last epoch, or of the best one")
    add("--metric", choices=["accuracy", "loss", "both"], default="both", help="which metrics")
    add("--by", nargs="+", default=(), metavar="COLUMN", help="columns that name a row, such as layers pruning_ratio")
    add("--format", choices=FORMATS, default="table", help="what to print")
    add("--export", type=Path, metavar="FILE", help="also write the runs to FILE, .parquet or .csv")
    add("--compare", action="store_true", help=compared)
    add("--pipelines", nargs="?", const=True, metavar="ROW", help=pipelines)
    add("--criterion", metavar="NAME", help="judge this one, by its stored scores; all: side by side")
    add("--wandb", metavar="[ENTITY/]PROJECT", help="also send the report to this W&B project")
    return parser


def _report(options: argparse.Namespace, command: str) -> int:
    """Read and compute, then print and write."""
    with waiting("reading the runs"):
        if options.out is not None:
            check_folder(options.out, "--out")
        from oraclecheck.analysis.criterion import ORACLE, named
        from oraclecheck.analysis.grouping import check_columns
        from oraclecheck.records.scored_runs import with_scores
        from oraclecheck.records.table import load_runs
        from oraclecheck.records.wandb.report import usable_project
        from oraclecheck.report.findings import find
        from oraclecheck.report.printing import print_compared, print_findings
        from oraclecheck.study.folder import read_studies

        asked: dict[str, Any] = {"final": options.final, "metric": options.metric, "by": options.by}
        project = usable_project(options.wandb) if options.wandb is not None else None
        _check_export(options.export)
        check_columns(options.by)
        if options.criterion == ALL and (options.compare or options.by):
            given = "--compare" if options.compare else "--by"
            raise ValueError(f"{given} must be used with one criterion; --criterion {ALL} compares every two in pairs")
        if options.pipelines is not None:
            _check_pipelines(options)
        runs = load_runs(*options.sources)
        home, own = homes(options.sources, options.out, list(dict.fromkeys(runs["study"])))
        mend = ": name another folder with --out" if options.out is None else ""
        if options.pipelines is not None:
            return _report_pipelines(options, runs, home)
        scored: Mapping[str, Sequence[Scores]] = {}
        if options.criterion not in (None, ORACLE.name):
            runs, scored = with_scores(runs, options.sources)
            if options.criterion not in (ALL, *scored):
                known = ", ".join(dict.fromkeys([ALL, ORACLE.name, *scored]))
                raise ValueError(f"--criterion must be one of {known}; got {options.criterion}")
            if options.criterion != ALL:
                asked["criterion"] = named(options.criterion)
                home, own = home / options.criterion, {study: each / options.criterion for study, each in own.items()}
        for folder in {home, *own.values()}:
            check_folder(folder, "the report's folder", mend)
    with waiting("computing the statistics"):
        if options.compare:
            asked["comparing"] = _in_order(options.sources, dict.fromkeys(runs["study"]))
        findings = find(runs, **asked, study_files=read_studies(*options.sources))
        criteria = _criteria(runs, scored, options) if options.criterion == ALL else None
    if criteria is None:
        print_findings(findings, options.format)
    else:
        print_compared(criteria, options.format)
    try:
        files, told = _write(findings, criteria, home, own, options.export, command)
    except OSError as error:
        said = f"{error.filename} could not be written: {error.strerror}; the report's files before it are whole{mend}"
        raise ValueError(said) from None
    if options.format == "table":
        for path in told:
            print(path)
    complete = project is None or _publish(project, findings, criteria, home, files)
    lacking = findings.lacking()
    for line in lacking:
        _say(line)
    return INCOMPLETE if lacking or not complete else COMPLETE


def _criteria(
    runs: "pd.DataFrame", scored: "Mapping[str, Sequence[Scores]]", options: argparse.Namespace
) -> "CriteriaFindings":
    from oraclecheck.report.criteria import find_criteria

    return find_criteria(runs, scored, final=options.final, metric=options.metric)


def _report_pipelines(options: argparse.Namespace, runs: "pd.DataFrame", home: Path) -> int:
    """Compare pipelines over pruning ratios, print and write."""
    from oraclecheck.records.runs_file import save_runs
    from oraclecheck.report.pipelines import find_pipelines, write_pipelines
    from oraclecheck.report.printing import print_compared
    from oraclecheck.study.folder import read_studies

    check_folder(home, "the report's folder")
    baseline = None if options.pipelines is True else options.pipelines
    files = read_studies(*options.sources)
    findings = find_pipelines(runs, final=options.final, baseline=baseline, study_files=files)
    print_compared(findings, options.format)
    if options.export:
        save_runs(runs, options.export)
    written = [*([options.export] if options.export else []), *write_pipelines(findings, home)]
    if options.format == "table":
        for path in written:
            print(path)
    lacking = findings.lacking()
    for line in lacking:
        _say(line)
    return INCOMPLETE if lacking else COMPLETE


def _check_pipelines(options: argparse.Namespace) -> None:
    """Refuse what is asked of pipelines in vain.

    Raises:
        ValueError: If another option has no meaning beside --pipelines.
    """
    given = {
        "--by": options.by,
        "--compare": options.compare,
        "--criterion": options.criterion,
        "--wandb": options.wandb,
    }
    if vain := [name for name, value in given.items() if value]:
        raise ValueError(f"{vain[0]} must be used without --pipelines, which compares final test accuracies alone")
    if options.metric == "loss":
        raise ValueError("--metric must be accuracy with --pipelines, which compares it alone; got loss")


def _in_order(sources: Sequence[str], studies: Iterable[str]) -> list[str]:
    """Studies in the order in which the sources that are named like them, folders and files, were given."""
    given = [name for source in map(Path, sources) for name in (source.resolve().name, source.stem)]
    return sorted(studies, key=lambda study: given.index(study) if study in given else len(given))


def _check_export(path: Path | None) -> None:
    from oraclecheck.records.runs_file import SUFFIXES

    if path is None:
        return
    if path.suffix not in SUFFIXES:
        raise ValueError(f"--export must end in {' or '.join(SUFFIXES)}; got {path}")
    if path.is_dir():
        raise ValueError(f"--export must name a file; {path} is a folder")
    check_folder(path.parent, "the folder of --export")


def _write(
    findings: "Findings",
    criteria: "CriteriaFindings | None",
    home: Path,
    own: Mapping[str, Path],
    export: Path | None,
    command: str,
) -> tuple[list[Path], list[Path]]:
    """Write everything; gives the report's files, and the paths that a user should read.

    Of criteria side by side that is what is said of them, and the page.
    """
    from oraclecheck.records.runs_file import save_runs
    from oraclecheck.report.criteria import write_criteria
    from oraclecheck.report.files import write_further, write_overview, write_study
    from oraclecheck.report.page import write_page

    several = len(findings.studies) > 1
    if export:
        save_runs(findings.runs, export)
    with waiting(f"drawing figures in {home}", len(findings.studies)) as done:
        shared: list[Path] = []
        single: list[Path] = []
        if criteria is not None:
            shared += write_criteria(criteria, home)
        else:
            shared += write_overview(findings, home) if several else []
            for study in findings.studies:
                single += write_study(findings, study, own[study])
                done()
            shared += write_further(findings, home)
    page = home / "index.html" if several else own[findings.studies[0]] / "index.html"
    with waiting(f"writing {page}"):
        write_page(page, findings, command, criteria=criteria)
    told = sorted([page, *shared, *({path.parent for path in single} if several else single)])
    return [page, *shared, *single], [*([export] if export else []), *told]


def _publish(
    project: "WandbSettings",
    findings: "Findings",
    criteria: "CriteriaFindings | None",
    home: Path,
    files: Sequence[Path],
) -> bool:
    """Send the report to W&B; False if it did not arrive."""
    from oraclecheck.records.wandb.report import publish
    from oraclecheck.report.printing import json_compared, json_tables

    name = findings.studies[0] if len(findings.studies) == 1 else f"{len(findings.studies)} studies"
    tables = json_tables(findings) | ({} if criteria is None else json_compared(criteria))
    summarised = ("n", "k", "agreement", "tau", "p", "ceiling", "anomaly_ratio", "counterexample_ratio")
    scalars = {
        f"{row['study']}/{row['final']}_{row['metric']}/{number}": row[number]
        for row in tables["studies"]
        for number in summarised
        if row[number] is not None
    }
    with waiting("sending the report to W&B"):
        try:
            where = publish(project, f"report of {name}", home, tables=tables, scalars=scalars, files=files)
        except ValueError as error:
            _say(str(error))
            return False
    _say(f"the report is on W&B: {where}" if project.mode == "online" else f"kept for `wandb sync {where}`")
    return True


def _say(line: str) -> None:
    print(f"oraclecheck: {line}", file=sys.stderr)
