import pytest

import scripted


@pytest.fixture(scope="session")
def script():
    """The module `scripted`: evaluations that are told what they find."""
    return scripted
