"""What tests of the exact search share."""

import pytest


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """Where kernels are compiled to, once for all tests."""
    return tmp_path_factory.mktemp("kernels")
