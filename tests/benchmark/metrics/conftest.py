import pytest

import tiny_world


@pytest.fixture(scope="session")
def world():
    """The module `tiny_world`: a data set, a backbone and models of a few channels."""
    return tiny_world
