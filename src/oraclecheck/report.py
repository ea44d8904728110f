"""One command from records to tables and figures: `python -m oraclecheck.report multirun/<study>`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

# pandas, scipy and matplotlib take seconds to import; `--help` and a mistyped path should not wait for them.
if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

# Where there is no terminal to ask for its width (a pipe, a log file).
_LOG_COLUMNS = 100


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"oraclecheck: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Report on the studies in the given folders; the exit code is 0, or 2 if the user has to mend something.

    Args:
        argv: Command line without the program's name; None reads `sys.argv`.
    """
    options = _parser().parse_args(argv)
    try:
        _report(options.folders, options.out)
    except (ValueError, OSError) as error:
        print(f"oraclecheck: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def report_study(runs: "pd.DataFrame", out_dir: Path, console: "Console") -> None:
    """Print, store and draw what the records of one study say.

    Args:
        runs: One row per record of one study, with the columns of a record.
        out_dir: Folder for `table.csv`, `combinations.csv` and `scatter_{accuracy,loss}.{png,pdf}`; made if absent,
            files of an earlier report are replaced.
        console: Where the table and the paths go.

    Raises:
        ValueError: As `tables.correlate`.
    """
    from oraclecheck.analysis.figures import save_scatter
    from oraclecheck.analysis.tables import combinations_table, correlate, format_table

    table, combos = correlate(runs), combinations_table(runs)
    console.print(format_table(table))
    out_dir.mkdir(parents=True, exist_ok=True)
    paths = _store(table, combos, out_dir)
    for metric in ("accuracy", "loss"):
        paths += save_scatter(combos, out_dir / f"scatter_{metric}", metric=metric)
    for path in paths:
        console.print(str(path), markup=False, highlight=False, soft_wrap=True)
    if gaps := _gaps(table, combos):
        console.print(gaps, markup=False, highlight=False, soft_wrap=True)


def _parser() -> _Parser:
    parser = _Parser(prog="python -m oraclecheck.report", description=__doc__)
    parser.add_argument(
        "folders", nargs="+", type=Path, metavar="FOLDER", help="a study, multirun/<study>, or a folder of studies"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write to DIR/<study>/ instead of <study>/report/")
    return parser


def _report(folders: Sequence[Path], out: Path | None) -> None:
    from rich.console import Console

    from oraclecheck.records.table import load_runs

    console = Console() if sys.stdout.isatty() else Console(width=_LOG_COLUMNS)
    # Everything is read before anything is written: a mistyped second folder leaves no half of a report behind.
    loaded = [(folder, load_runs(folder)) for folder in folders]
    for folder, runs in loaded:
        for name, study in runs.groupby("study"):
            # The folder is the study's own, or holds those of several studies.
            home = folder / str(name) if (folder / str(name)).is_dir() else folder
            report_study(study, out / str(name) if out else home / "report", console)


def _store(table: "pd.DataFrame", combos: "pd.DataFrame", out_dir: Path) -> list[Path]:
    paths = [out_dir / "table.csv", out_dir / "combinations.csv"]
    table.to_csv(paths[0], index=False)
    combos.assign(removed=combos["removed"].map(json.dumps)).to_csv(paths[1], index=False)
    return paths


def _gaps(table: "pd.DataFrame", combos: "pd.DataFrame") -> str:
    """One line that says how many runs the numbers lack; empty if none."""
    first = table.iloc[0]
    gaps = []
    if first["missing"] or first["failed"]:
        expected = first["runs"] + first["missing"]
        gaps.append(f"{first['missing']} of {expected} runs are missing and {first['failed']} failed")
    if failed_picks := int(combos.loc[combos["picked_by"].notna(), "failed"].sum()):
        gaps.append(f"{failed_picks} runs of combinations that a criterion picked failed")
    return f"{'; '.join(gaps)}: the numbers above do not include them" if gaps else ""


if __name__ == "__main__":
    sys.exit(main())
