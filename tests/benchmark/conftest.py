import importlib.util
from pathlib import Path

import pytest

OWN_NETWORKS = Path(__file__).with_name("own_networks.py")


@pytest.fixture(scope="session")
def own():
    """The module `own_networks`: networks as users bring them."""
    spec = importlib.util.spec_from_file_location("own_networks", OWN_NETWORKS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def own_file():
    """Where these networks stand."""
    return OWN_NETWORKS
