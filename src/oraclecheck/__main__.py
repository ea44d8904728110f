"""`python -m oraclecheck` is the console script `oraclecheck`."""

import sys

from oraclecheck.cli import main

if __name__ == "__main__":
    sys.exit(main())
