"""Every explainer of the registry keeps the contract. That the contract can say no: tests/benchmark/testing."""

from functools import cache

import pytest

from sembench.explainers.configuration import recipe
from sembench.plugins.registry import EXPLAINERS
from sembench.testing import CHECKS, make_case
from sembench_baselines.kmex import KMEx
from units import golden, own

pytestmark = pytest.mark.slow


STATED = golden("explainers")
"""Short hyper-parameters, and what cannot be kept after so short a fit; `sembench check` takes their own settings."""
NAMES = sorted({*own(EXPLAINERS), *STATED})
VARIANTS = {
    "kmex bisecting neon": KMEx(flavour="bisecting", rule="neon"),
    "kmex gxi log": KMEx(rule="gxi", similarity="log"),
    "kmex mean": KMEx(explained="mean", prototypes_per_class=2),
    "kmex unequal": KMEx(prototypes_per_class=(1, 2, 3, 1, 2, 3, 1, 2, 3, 4)),
}


@cache
def case():
    """A smaller one than that of `sembench check`, since some hundred checks fit a model on it."""
    return make_case(training=150, test=60, images=6, image_size=33)


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * ("hyperparameters" in STATED.get(name, {}))) for name in NAMES],
)
def test_registered_explainer_keeps_the_contract(name, check):
    stated = STATED.get(name, {})
    excuse = stated.get("excused", {}).get(check.__name__.removeprefix("check_"))
    if excuse is not None:
        pytest.skip(excuse)
    check(recipe(name, stated.get("hyperparameters", {}), "digits"), case())


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize("made", VARIANTS.values(), ids=VARIANTS)
def test_variants_keep_the_contract(made, check):
    check(made, case())
