"""Compiled kernels, where there is a compiler."""

from pathlib import Path

import pytest

from oraclecheck.engines.lanes.compiler import compiler


@pytest.fixture(scope="session")
def kernels(compiled: Path) -> Path:
    try:
        compiler()
    except ValueError as error:
        pytest.skip(str(error))
    return compiled
