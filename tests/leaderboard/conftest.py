from types import SimpleNamespace

import pytest

import builders
from sembench.results.result import Result


@pytest.fixture(scope="session")
def build() -> SimpleNamespace:
    """Builders of synthetic results."""
    names = ("result", "scored", "not_applicable", "measure", "cost")
    return SimpleNamespace(suite=builders.suite_of, **{name: getattr(builders, name) for name in names})


@pytest.fixture(scope="session")
def synthetic_suite() -> list[Result]:
    """Seven explainers, the black box and three controls on two data sets with two seeds, with variants."""
    return builders.suite_of(builders.SKILL, ["digits", "letters"], range(2), variants=True)
