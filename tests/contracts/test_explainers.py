"""Every explainer of the registry keeps the contract; and the contract is able to say no."""

import dataclasses
from dataclasses import dataclass

import pytest
import torch

from baselines.kmex import KMEx, KMExModel
from benchmark.errors import ContractBroken
from benchmark.registry import EXPLAINERS
from benchmark.testing import CHECKS, digits_case
from benchmark.types import Prototypes

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
VARIANTS = {
    "kmex bisecting neon": KMEx(flavour="bisecting", rule="neon"),
    "kmex gxi log": KMEx(rule="gxi", similarity="log"),
    "kmex mean": KMEx(explained="mean", prototypes_per_class=2),
    "kmex unequal": KMEx(prototypes_per_class=(1, 2, 3, 1, 2, 3, 1, 2, 3, 4)),
}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize("name", NAMES)
def test_registered_explainer_keeps_the_contract(name, check):
    check(EXPLAINERS.get(name)(**SHORT.get(name, {})), digits_case())


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize("recipe", VARIANTS.values(), ids=VARIANTS)
def test_variants_keep_the_contract(recipe, check):
    check(recipe, digits_case())


class Wrong(KMExModel):
    """KMEx with one promise broken, chosen by ``how``."""

    how = "none"

    def embed(self, images):
        embeddings = super().embed(images)
        if self.how == "batch statistics":
            embeddings = embeddings - embeddings.mean(0)
        if self.how == "not finite":
            embeddings = embeddings / 0
        if self.how == "global draw":
            torch.rand(1)
        if self.how == "noise":
            embeddings = embeddings + torch.rand(embeddings.shape, generator=torch.Generator().manual_seed(id(images)))
        return embeddings

    def class_probabilities(self, explanation):
        probabilities = super().class_probabilities(explanation)
        return probabilities * 2 if self.how == "not normalised" else probabilities

    def attribute(self, images, targets=None):
        if self.how == "hook":
            self.backbone.register_forward_hook(lambda *_: None)
        if self.how == "writes into the batch":
            images += 1
        relevance = super().attribute(images, targets)
        return relevance.flatten(1) if self.how == "flat map" else relevance


@dataclass(frozen=True)
class WrongRecipe(KMEx):
    how: str = "none"

    def fit(self, backbone, train, *, generator):
        if self.how == "other seed":
            generator = torch.Generator().manual_seed(torch.seed())
        if self.how == "changes the backbone":
            backbone.classifier.weight.data += 1e-3
        fitted = super().fit(backbone, train, generator=generator)
        model = Wrong(backbone, fitted.prototypes, self)
        model.how = self.how
        return model

    def restore(self, backbone, state):
        if self.how == "forgets":
            state = {**state, "vectors": state["vectors"] * 0.5}
        return Wrong(backbone, Prototypes(state["vectors"], state["classes"]), self)


@pytest.mark.parametrize(
    ("how", "check", "message"),
    [
        ("not finite", "shapes", "NaN or infinite"),
        ("flat map", "shapes", r"relevance has shape \(12, 1600\), expected \(12, 40, 40\)"),
        ("not normalised", "probabilities", "sum to 1"),
        ("batch statistics", "batch_independence", "scores belong to the image"),
        ("other seed", "determinism", "one seed gives one model"),
        ("changes the backbone", "no_trace", "backbone's weights stay as they were"),
        ("hook", "no_trace", "backbone's hooks stay as they were"),
        ("global draw", "no_trace", "torch's global random stream"),
        ("writes into the batch", "no_trace", "batch's images stay as they were"),
        ("forgets", "round_trip", "restored model gives the same answers"),
    ],
)
def test_a_broken_promise_is_caught_by_its_check(how, check, message):
    case = digits_case.__wrapped__()
    case = dataclasses.replace(case, batch=dataclasses.replace(case.batch, images=case.batch.images.clone()))
    with pytest.raises(ContractBroken, match=message):
        CHECKS[check](WrongRecipe(how=how), case)


def test_a_recipe_that_can_be_changed_is_refused():
    class Loose(KMEx):
        def hyperparameters(self):
            return {"value": float("nan")}

    with pytest.raises(ContractBroken, match="must be JSON"):
        CHECKS["recipe"](Loose(), digits_case())
