"""One folder of compiled kernels for all tests of a process: each takes seconds to compile."""

from pathlib import Path

import pytest

from oraclecheck.engines.lanes.compiler import compiler


@pytest.fixture(scope="session")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        compiler()
    except ValueError as error:
        pytest.skip(str(error))
    return tmp_path_factory.mktemp("kernels")
