"""One command from runs to tables and figures: `python -m oraclecheck.report multirun/<study>`."""

import argparse
import os
import re
import shlex
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from oraclecheck.waiting import waiting

# pandas, scipy and matplotlib take seconds to import; `--help` and a mistyped path should not wait for them.
if TYPE_CHECKING:
    from oraclecheck.records.wandb.report import Project
    from oraclecheck.report.findings import Findings

COMPLETE, INCOMPLETE, USER_ERROR, INTERRUPTED = 0, 1, 2, 130

SUMMARISED = ("n", "k", "agreement", "tau", "p", "ceiling", "anomaly_ratio", "counterexample_ratio")
"""Columns of a study that go into the summary of the report's W&B run."""

_HERE = Path("report")
"""Where the report of a source without a folder of its own goes."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(USER_ERROR, f"oraclecheck: {message}\n")


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


def _parser() -> _Parser:
    parser = _Parser(prog="python -m oraclecheck.report", description=__doc__)
    add = parser.add_argument
    add(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="a study, multirun/<study>; a folder of studies; wandb:ENTITY/PROJECT[/GROUP]; a CSV or Parquet file",
    )
    add(
        "--out",
        type=Path,
        metavar="DIR",
        help="where to write; default: report/ in the study, or here if there is none",
    )
    add("--final", choices=["last", "best"], default="last", help="metrics of the last epoch, or of the best one")
    add("--metric", choices=["accuracy", "loss", "both"], default="both", help="which metrics")
    add("--by", nargs="+", default=(), metavar="COLUMN", help="columns that name a row, such as layers pruning_ratio")
    add("--format", choices=["table", "md", "latex", "csv", "json"], default="table", help="what to print")
    add("--export", type=Path, metavar="FILE", help="also write the runs to FILE, .parquet or .csv")
    add("--compare", action="store_true", help="compare the two studies, over the combinations that both have")
    add("--wandb", metavar="[ENTITY/]PROJECT", help="also send the report to this W&B project")
    return parser


def _report(options: argparse.Namespace, command: str) -> int:
    """Read and compute, then print and write."""
    with waiting("reading the runs"):
        project = _usable_project(options.wandb)
        _check_export(options.export)
        if options.out is not None:
            _check_folder(options.out, "--out")
        from oraclecheck.analysis.grouping import check_columns
        from oraclecheck.records.table import load_runs
        from oraclecheck.report.findings import find
        from oraclecheck.report.printing import print_findings

        check_columns(options.by)
        runs = load_runs(*options.sources)
        home, homes = _homes(options.sources, options.out, list(dict.fromkeys(runs["study"])))
        for folder in {home, *homes.values()}:
            _check_folder(folder, "the report's folder", _ELSEWHERE if options.out is None else "")
    with waiting("computing the statistics"):
        asked = {"final": options.final, "metric": options.metric, "by": options.by, "comparing": options.compare}
        findings = find(runs, **asked, definitions=_definitions(options.sources))
    print_findings(findings, options.format)
    try:
        home, files, told = _write(findings, options, command)
    except OSError as error:
        said = f"{error.filename} could not be written: {error.strerror}; the report's files before it are whole"
        raise ValueError(said + (_ELSEWHERE if options.out is None else "")) from None
    if options.format == "table":
        for path in told:
            print(path)
    complete = _publish(project, findings, home, files)
    gaps = findings.gaps()
    for line in gaps:
        _say(line)
    return INCOMPLETE if gaps or not complete else COMPLETE


def _definitions(sources: Sequence[str]) -> dict[str, dict[str, Any]]:
    from oraclecheck.study.folder import read_studies

    return {study: content["definition"] for study, content in read_studies(*sources).items()}


def _write(findings: "Findings", options: argparse.Namespace, command: str) -> tuple[Path, list[Path], list[Path]]:
    """Write everything; gives the report's folder, its files, and the paths that a user should read."""
    from oraclecheck.records.runs_file import save_runs
    from oraclecheck.report.files import write_overview, write_study

    home, homes = _homes(options.sources, options.out, findings.studies)
    several = len(findings.studies) > 1
    if options.export:
        save_runs(findings.runs, options.export)
    with waiting(f"drawing figures in {home}", len(findings.studies)) as done:
        shared = list(write_overview(findings, home)) if several else []
        own: list[Path] = []
        for study in findings.studies:
            own += write_study(findings, study, homes[study])
            done()
    page = (home if several else homes[findings.studies[0]]) / "index.html"
    with waiting(f"writing {page}"):
        _write_page(page, findings, options.sources, command)
    exported = [options.export] if options.export else []
    told = [*exported, *sorted([page, *shared, *({path.parent for path in own} if several else own)])]
    return home, [page, *shared, *own], told


_ELSEWHERE = ": name another folder with --out"


def _check_export(path: Path | None) -> None:
    from oraclecheck.records.runs_file import SUFFIXES

    if path is None:
        return
    if path.suffix not in SUFFIXES:
        raise ValueError(f"--export must end in {' or '.join(SUFFIXES)}; got {path}")
    if path.is_dir():
        raise ValueError(f"--export must name a file; {path} is a folder")
    _check_folder(path.parent, "the folder of --export")


def _check_folder(folder: Path, what: str, mend: str = "") -> None:
    """Find out before minutes of computing whether a folder could be made and written; nothing is made yet."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise ValueError(f"{what} must be a folder; got {folder}, where {there} is a file{mend}")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"{what} must be a folder that can be written; {there} cannot{mend}")


def _usable_project(path: str | None) -> "Project | None":
    if path is None:
        return None
    from oraclecheck.records.wandb.report import usable_project

    return usable_project(path)


def _publish(project: "Project | None", findings: "Findings", home: Path, files: Sequence[Path]) -> bool:
    """Send the report to W&B if that was asked for; False if it did not arrive."""
    if project is None:
        return True
    from oraclecheck.records.wandb.report import publish
    from oraclecheck.report.printing import json_tables

    name = findings.studies[0] if len(findings.studies) == 1 else f"{len(findings.studies)} studies"
    tables = json_tables(findings)
    with waiting("sending the report to W&B"):
        try:
            where = publish(
                project, f"report of {name}", home, tables=tables, scalars=_scalars(tables["studies"]), files=files
            )
        except ValueError as error:
            _say(str(error))
            return False
    _say(f"the report is on W&B: {where}" if project.mode == "online" else f"kept for `wandb sync {where}`")
    return True


def _scalars(studies: Sequence[dict[str, Any]]) -> dict[str, float]:
    """The numbers of each study that W&B's panels may compare, by a name for each."""
    return {
        f"{row['study']}/{row['final']}_{row['metric']}/{name}": row[name]
        for row in studies
        for name in SUMMARISED
        if row[name] is not None
    }


def _write_page(path: Path, findings: "Findings", sources: Sequence[str], command: str) -> None:
    from oraclecheck.report.invocation import sweep_commands
    from oraclecheck.report.page import write_page
    from oraclecheck.study.folder import read_studies

    settings = read_studies(*sources)
    write_page(
        path,
        findings.runs,
        findings.table,
        networks=findings.networks,
        unlike=findings.unlike,
        settings=settings,
        command=command,
        sweeps=sweep_commands(findings.runs, settings),
    )


def _folder_name(study: str, taken: Collection[str]) -> str:
    """A study's name without what no folder should be called, and unlike the others'."""
    name = re.sub(r"[^\w.,=+@-]", "-", study).strip(".") or "study"
    while name in taken:
        name += "-again"
    return name


def _homes(sources: Sequence[str], out: Path | None, studies: Sequence[str]) -> tuple[Path, dict[str, Path]]:
    """The folder of the whole report, and that of each study."""
    folders = [Path(source) for source in sources if Path(source).is_dir()]
    homes: dict[str, Path] = {}
    for study in studies:
        name = _folder_name(study, {home.name for home in homes.values()})
        inside = [folder / study for folder in folders if (folder / study).is_dir()]
        itself = [folder for folder in folders if folder.resolve().name == study]
        own = [*itself, *inside]
        homes[study] = own[0] / "report" if own and out is None else (out or _HERE) / name
    if out is not None:
        return out, homes
    if len(studies) == 1:
        return homes[studies[0]], homes
    return (folders[0] / "report" if len(sources) == len(folders) == 1 else _HERE), homes


def _say(line: str) -> None:
    print(f"oraclecheck: {line}", file=sys.stderr)
