"""`python -m oraclecheck.report` is the console script `oraclecheck-report`."""

import sys

from oraclecheck.report.command import main

if __name__ == "__main__":
    sys.exit(main())
