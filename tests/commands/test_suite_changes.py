"""A suite with settings of the command line: what is replaced, and what belonged to what was replaced."""

import hashlib

import pytest

from sembench.cli.run import with_backbone
from sembench.suites.network import BackboneSpec

BIRDS = BackboneSpec(name="net.py:make", weights="theirs.npz", weights_sha256="0" * 64, frozen=True)


@pytest.fixture
def suite(tiny_suite):
    return tiny_suite.model_copy(update={"backbone": BIRDS})


def changed(suite, **given):
    return with_backbone(suite, **{"name": None, "weights": None, "blocks": [], "frozen": False, **given}).backbone


def test_other_weights_need_not_be_the_file_that_the_suite_names(suite, tmp_path):
    mine = tmp_path / "mine.npz"
    mine.write_bytes(b"mine")
    found = changed(suite, weights=str(mine))
    assert (found.name, found.frozen, found.weights_sha256) == ("net.py:make", True, None)
    assert found.resolved().weights_sha256 == hashlib.sha256(b"mine").hexdigest()


def test_the_suites_own_weights_stay_named_where_something_else_is_replaced(suite):
    assert changed(suite, blocks=["layer1"]) == BIRDS.model_copy(update={"blocks": ("layer1",)})


def test_another_network_leaves_nothing_of_the_suites(suite):
    assert changed(suite, name="resnet34") == BackboneSpec(name="resnet34")
