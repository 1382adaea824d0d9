import pytest

from sembench.workbench import Workbench


@pytest.fixture(scope="session")
def bench():
    return Workbench("tiny-digits")


@pytest.fixture(scope="session")
def network(bench):
    return bench.train("resnet10-narrow", epochs=2)


@pytest.fixture(scope="session")
def kmex(bench, network):
    return bench.fit("kmex", network, prototypes_per_class=2)


@pytest.fixture(scope="session")
def folder(kmex, tmp_path_factory):
    """KMEx in a folder."""
    return kmex.save(tmp_path_factory.mktemp("saved") / "kmex")
