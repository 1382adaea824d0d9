"""Every explainer of the registry keeps the contract. That the contract can say no: tests/benchmark/testing."""

import pytest

from sembench.plugins.registry import EXPLAINERS
from sembench.testing import CHECKS, digits_case
from sembench_baselines.kmex import KMEx

CONVERTED = ("protopnet", "flint", "protovae", "b4", "kmex")
NAMES = [
    *(name for name in EXPLAINERS.names() if "*" not in name),
    "b34",
    *(f"kmex({name})" for name in CONVERTED),
]
_PROTOPNET = {"warm_epochs": 1, "joint_epochs": 1, "last_epochs": 1, "dimension": 32}
_FLINT = {"epochs": 1, "fidelity_from": 1, "entropy_from": 1}
_PROTOVAE = {"epochs": 1, "channels": (8, 16), "latent": 8}
SHORT = {
    "protopnet": _PROTOPNET,
    "protopnet-parts": _PROTOPNET,
    "flint": _FLINT,
    "flint-shared": _FLINT,
    "protovae": _PROTOVAE,
    "kmex(protopnet)": {"base": _PROTOPNET},
    "kmex(flint)": {"base": _FLINT},
    "kmex(protovae)": {"base": _PROTOVAE},
}
"""What is trained in these tests is trained briefly."""
UNTRAINED = dict.fromkeys(SHORT, "trained for one epoch only")
"""These cannot be better than chance here; `sembench check` with their own settings says that they are."""
VARIANTS = {
    "kmex bisecting neon": KMEx(flavour="bisecting", rule="neon"),
    "kmex gxi log": KMEx(rule="gxi", similarity="log"),
    "kmex mean": KMEx(explained="mean", prototypes_per_class=2),
    "kmex unequal": KMEx(prototypes_per_class=(1, 2, 3, 1, 2, 3, 1, 2, 3, 4)),
}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize("name", NAMES)
def test_registered_explainer_keeps_the_contract(name, check):
    if name in UNTRAINED and check is CHECKS["better_than_chance"]:
        pytest.skip(UNTRAINED[name])
    if name == "protovae" and check is CHECKS["conservation"]:
        pytest.skip("after one epoch some images activate no unit that could carry relevance")
    check(EXPLAINERS.get(name)(**SHORT.get(name, {})), digits_case())


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize("recipe", VARIANTS.values(), ids=VARIANTS)
def test_variants_keep_the_contract(recipe, check):
    check(recipe, digits_case())
