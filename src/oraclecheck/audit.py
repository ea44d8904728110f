"""What a comparison of studies is worth: `python -m oraclecheck.audit multirun/A multirun/B`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from oraclecheck.exits import INTERRUPTED, USER_ERROR, Parser

MET, NOT_MET = 0, 1


def main(argv: Sequence[str] | None = None) -> int:
    """Say which comparison setups studies meet; returns the exit code.

    0: the setup that is asked for is met, or none is asked for. 1: it is not, or nobody can tell. 2: the user has to
    mend something, and a line says what.

    Args:
        argv: Command line without the program's name; None reads `sys.argv`.
    """
    options = _parser().parse_args(argv)
    try:
        return _audit(options.studies, options.at_least)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (ValueError, OSError) as error:
        print(f"oraclecheck: {' '.join(str(error).split())}", file=sys.stderr)
        return USER_ERROR


def _parser() -> Parser:
    parser = Parser(prog="python -m oraclecheck.audit", description=__doc__)
    parser.add_argument("studies", nargs="+", metavar="STUDY", help="folders of studies, multirun/<study>; two or more")
    parser.add_argument("--at-least", metavar="SETUP", help="exit with 1 unless they meet it: S1 to S4.2, SX-A, SX-B")
    return parser


def _audit(folders: Sequence[str], at_least: str | None) -> int:
    import pandas as pd

    from oraclecheck.analysis.setups import SETUPS, conditions, setups
    from oraclecheck.records.store import RECORD
    from oraclecheck.records.table import load_runs
    from oraclecheck.report.printing import print_layouts
    from oraclecheck.report.setups import budgets_layout, setups_layout
    from oraclecheck.study.folder import RUNS_FILE, read_studies

    if at_least is not None and at_least not in SETUPS:
        raise ValueError(f"--at-least must be one of {', '.join(SETUPS)}; got {at_least}")
    if len({Path(folder).resolve() for folder in folders}) < 2:
        raise ValueError(f"audit needs the folders of two studies or more; got {', '.join(folders)}")
    found = []
    for folder in folders:
        studies = read_studies(folder)
        if len(studies) != 1:
            raise ValueError(f"audit needs folders of one study each; {folder} has {len(studies)}")
        ((name, content),) = studies.items()
        has_runs = (Path(folder) / RUNS_FILE).is_file() or any(Path(folder).glob(f"*/*/{RECORD}"))
        runs = load_runs(folder) if has_runs else pd.DataFrame({"status": []})
        found.append(conditions(name, content["definition"], content["config"], runs))
    result = setups(found)
    print_layouts([setups_layout(result), budgets_layout(found)])
    if at_least is None:
        return MET
    met = next(setup.met for setup in result if setup.name == at_least)
    return MET if met else NOT_MET


if __name__ == "__main__":
    sys.exit(main())
