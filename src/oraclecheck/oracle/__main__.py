"""`python -m oraclecheck.oracle`."""

import sys

from oraclecheck.oracle.command import main

if __name__ == "__main__":
    sys.exit(main())
