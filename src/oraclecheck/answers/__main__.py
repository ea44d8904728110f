"""Benchmarks of a study's networks: `python -m oraclecheck.answers multirun/STUDY --questions DIR`."""

import sys

from oraclecheck.answers.command import main

if __name__ == "__main__":
    sys.exit(main())
