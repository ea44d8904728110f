"""Exit codes of all commands, and a parser of arguments that tells a mistake in one sentence."""

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

COMPLETE, INCOMPLETE, USER_ERROR, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143


class Parser(argparse.ArgumentParser):
    """Ends with `USER_ERROR` and a sentence on stderr, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Tell what is wrong with the arguments, and end."""
        self.exit(USER_ERROR, f"oraclecheck: {message}\n")


def code_of(work: Callable[[], object]) -> int:
    """Do what a command does; returns its exit code, and tells what the user has to mend in one sentence on stderr."""
    try:
        work()
        return COMPLETE
    except KeyboardInterrupt:
        return INTERRUPTED
    except (ValueError, OSError) as error:
        print(f"oraclecheck: {' '.join(str(error).split())}", file=sys.stderr)
        return USER_ERROR
