"""Explainers that break one promise each: the check that is meant for it reports it, and no other does."""

import copy
import dataclasses
import itertools
import random
import re
from dataclasses import dataclass

import pytest
import torch
from torch.nn.modules.module import register_module_forward_hook

from sembench.data.sets.digits import digits
from sembench.errors import NotOffered
from sembench.testing import make_case
from sembench.testing.report import CHECKS, examine, lines
from sembench.types import Capability, Prototypes
from sembench_baselines.kmex import KMEx, KMExModel

LIMIT = 300.0
"""Seconds that the case allows, on the clock of the test."""
CLOCK = [0.0]
FITS = itertools.count()
NOISE = itertools.cycle([step * 1.5e-7 for step in range(7)])
"""More than float32 rounds away, another one at each call; drawn by lot, one pair in nine rounded to the same."""

HANDLES = []


class WrongModel(KMExModel):
    """KMEx with one promise broken, chosen by ``how``."""

    def __init__(self, backbone, prototypes, recipe):
        super().__init__(backbone, prototypes, recipe)
        self.how = recipe.how
        self.trained_again = self.within = False
        if self.how == "counts its calls":
            self.register_buffer("calls", torch.zeros(()))
        if self.how == "stays behind":
            self.offsets = [torch.zeros(())]

    def train(self, mode=True):
        self.trained_again = self.trained_again or (mode and hasattr(self, "how"))
        return super().train(mode)

    def class_scores(self, similarities):
        """A head that is declared: the best similarity among the class's prototypes."""
        own = self.classes[None] == torch.arange(self.backbone.n_classes)[:, None]
        best = similarities[:, None].masked_fill(~own[None], -torch.inf).amax(2)
        return best * 2 if self.how == "another head" else best

    def forward(self, images):
        if self.how == "draws globally":
            torch.rand(1)
        if self.how == "draws from NumPy":
            import numpy as np

            np.random.rand()
        if self.how == "counts its calls":
            self.calls += 1
        self.within = True
        answer = super().forward(images)
        self.within = False
        if self.how == "writes into the batch":
            images.zero_()
        scores = answer.class_scores
        if self.how == "statistics of the batch":
            scores = scores - scores.mean()
        if self.how == "first come first served" and len(images) > 1 and images[0].sum() > images[-1].sum():
            scores = scores.flip(0)
        if self.how == "noise":
            scores = scores * (1 + next(NOISE))
        if self.how == "remembers training" and self.trained_again:
            scores = scores + torch.arange(scores.shape[1])
        if self.how == "similarities of the batch":
            answer = dataclasses.replace(answer, similarities=answer.similarities - float(len(images) == 1))
        if self.how == "one class too many":
            scores = torch.cat([scores, scores[:, :1] - 1000], 1)
        return dataclasses.replace(answer, class_scores=scores)

    def class_probabilities(self, explanation):
        probabilities = super().class_probabilities(explanation)
        return probabilities * 2 if self.how == "probabilities of two" else probabilities

    def prototype_similarities(self):
        similarities = super().prototype_similarities()
        return similarities / 0 if self.how == "infinite similarities" else similarities

    def embed(self, images):
        if self.how == "no embedding" and not self.within:
            raise NotImplementedError("not yet")
        return super().embed(images)

    def prototype_origins(self):
        return (
            torch.zeros(len(self.prototypes), 2)
            if self.how == "origins without a cell"
            else super().prototype_origins()
        )

    def attribute(self, images, targets=None):
        if self.how == "cannot explain":
            raise NotImplementedError("not yet")
        if self.how == "leaves a hook everywhere":
            HANDLES.append(register_module_forward_hook(lambda *_: None))
        if self.how == "leaves a hook on a weight":
            self.backbone.classifier.weight.requires_grad_(True)
            self.backbone.classifier.weight.register_hook(lambda gradient: gradient)
            self.backbone.classifier.weight.requires_grad_(False)
        if self.how == "leaves a hook":
            self.backbone.register_forward_hook(lambda *_: None)
        if self.how == "relevance of the batch" and self.bias == "share":
            return super().attribute(images, targets) * len(images)
        if self.how in ("only prototype maps", "no map"):
            raise NotOffered("it has no relevance of classes")
        if self.how == "ignores the class":
            targets = None
        relevance = super().attribute(images, targets)
        if self.how == "twice the relevance" and self.bias == "zero":
            relevance = relevance * 2
        return relevance.flatten(1) if self.how == "flat maps" else relevance

    def attribute_prototypes(self, images, prototypes):
        if self.how in ("only class map", "no map"):
            raise NotOffered("it has no relevance of prototypes")
        if self.how == "cannot explain prototypes":
            raise NotImplementedError("not yet")
        if self.how == "leaves a hook by a prototype":
            self.backbone.register_forward_hook(lambda *_: None)
        if self.how == "ignores the prototype":
            prototypes = torch.zeros_like(prototypes)
        relevance = super().attribute_prototypes(images, prototypes)
        if self.how == "writes into the batch by a prototype":
            images.zero_()
        if self.how == "prototype maps of the batch":
            relevance = relevance * len(images)
        if self.how == "noise by a prototype":
            relevance = relevance * (1 + next(NOISE))
        if self.how == "infinite prototype maps":
            relevance = relevance / 0
        if self.how == "infinite far from a prototype":
            nearest = self(images).similarities.argmax(1) == prototypes
            relevance = relevance.where(nearest[:, None, None], torch.inf)
        return relevance.flatten(1) if self.how == "flat prototype maps" else relevance


@dataclass(frozen=True)
class Wrong(KMEx):
    """KMEx that breaks the promise ``how``."""

    how: str = "nothing"

    @property
    def supports(self):
        """All capabilities, or too few."""
        everything = frozenset(Capability)
        return everything - {Capability.ATTRIBUTION} if self.how in ("explains unasked", "is silent") else everything

    @property
    def lacks(self):
        """Reasons for what is not supported."""
        return {Capability.ATTRIBUTION: "it does not explain"} if self.how == "explains unasked" else {}

    def hyperparameters(self):
        return {"rate": float("nan")} if self.how == "no JSON" else super().hyperparameters()

    def fit(self, backbone, train, *, generator):
        if self.how == "a seed of its own":
            generator = torch.Generator().manual_seed(next(FITS))
        if self.how == "draws in the fit":
            random.random()
        if self.how == "changes the backbone":
            backbone.classifier.weight.data += 1e-3
        if self.how == "trains the backbone":
            backbone.classifier.weight.requires_grad_(True)
        if self.how == "looks at test data":
            test = digits(image_size=train.image_size).test
            backbone.embed(test.batch(torch.arange(10)).images)
        if self.how == "copies labels of test data":
            digits(image_size=train.image_size).test.batch(torch.arange(10))
        if self.how == "slow":
            CLOCK[0] += LIMIT + 0.5
        prototypes = super().fit(backbone, train, generator=generator).prototypes
        if self.how == "guesses":
            prototypes = dataclasses.replace(prototypes, classes=(prototypes.classes + 1) % train.n_classes)
        return WrongModel(backbone, prototypes, self)

    def restore(self, backbone, state):
        vectors = state["vectors"] * 0.9 if self.how == "forgets" else state["vectors"]
        return WrongModel(backbone, Prototypes(vectors, state["classes"]), self)


WRONG = {
    "no JSON": ("recipe", "must be JSON"),
    "cannot explain": ("capabilities", "asking for them raises NotImplementedError: not yet"),
    "explains unasked": ("capabilities", "are not declared, and asking for them gives"),
    "no embedding": ("capabilities", "prototypes in the space of embeddings are declared, and asking for them raises"),
    "cannot explain prototypes": ("capabilities", "asking for them raises NotImplementedError: not yet"),
    "no map": ("capabilities", "NotOffered: it has no relevance of classes; it has no relevance of prototypes"),
    "is silent": ("capabilities", "it is silent on"),
    "one class too many": ("shapes", r"class_scores has shape \(6, 11\), expected \(6, 10\)"),
    "flat maps": ("shapes", r"class map has shape \(6, 400\), expected \(6, 20, 20\)"),
    "flat prototype maps": ("shapes", r"prototype map has shape \(6, 400\), expected \(6, 20, 20\)"),
    "origins without a cell": ("single_prototypes", r"prototype_origins has shape \(20, 2\), expected \(20, 3\)"),
    "infinite similarities": ("finite_values", "prototype_similarities holds NaN or infinite"),
    "infinite prototype maps": ("finite_values", "prototype map holds NaN or infinite"),
    "infinite far from a prototype": ("prototype_asked", "prototype map holds NaN or infinite"),
    "ignores the class": ("class_asked", "a class map depends on what is asked for, but another one moves 0.0%"),
    "ignores the prototype": ("prototype_asked", "a prototype map depends on what is asked for, but another one moves"),
    "probabilities of two": ("probabilities", "sums run to 2"),
    "another head": ("transparent_head", "the head makes the decision from similarities"),
    "twice the relevance": ("conservation", "relevance is conserved"),
    "statistics of the batch": ("batch_size", "scores: an image gets the same alone and in a batch"),
    "relevance of the batch": ("batch_size", "class map: an image gets the same alone and in a batch"),
    "prototype maps of the batch": ("batch_size", "prototype map: an image gets the same alone and in a batch"),
    "similarities of the batch": ("batch_size", "similarities: an image gets the same alone and in a batch"),
    "first come first served": ("order", "scores: an image gets the same in another order"),
    "remembers training": ("modes", "training mode and back changes nothing"),
    "stays behind": ("device", r"\['offsets'\] are tensors that stay where they are"),
    "a seed of its own": ("determinism", "one seed gives one model"),
    "noise": ("repetition", "one model gives one answer"),
    "noise by a prototype": ("repetition", "prototype map: one model gives one answer"),
    "forgets": ("round_trip", "a restored model gives the same answers"),
    "changes the backbone": ("backbone_untouched", "the backbone's weights stay as they were"),
    "trains the backbone": ("backbone_untouched", "the backbone's gradient flags stay as they were"),
    "leaves a hook": ("no_hook", "there are new hooks on"),
    "leaves a hook by a prototype": ("no_hook", "there are new hooks on"),
    "leaves a hook everywhere": ("no_hook", r"there are new hooks on \['every module"),
    "leaves a hook on a weight": ("no_hook", r"there are new hooks on \['backbone\.classifier"),
    "draws globally": ("no_global_draw", "torch's global random stream"),
    "draws from NumPy": ("no_global_draw", "NumPy's global random stream"),
    "draws in the fit": ("no_global_draw", "Python's global random stream"),
    "writes into the batch": ("batch_untouched", "forward wrote into it"),
    "writes into the batch by a prototype": ("batch_untouched", "prototype map wrote into it"),
    "counts its calls": ("model_untouched", "its fitted state changed"),
    "looks at test data": ("test_data_unseen", "10 test images were read and 10 went through a network"),
    "copies labels of test data": ("test_data_unseen", "10 test images were read and 0 went through a network"),
    "guesses": ("better_than_chance", "test digits are right"),
    "slow": ("time", "it took 300.5 s to fit 60 and explain 6 images"),
}
ACCOMPANIED = {
    "statistics of the batch": {"transparent_head"},  # the head cannot make scores that depend on the batch
    "one class too many": {"transparent_head", "probabilities"},
    "infinite prototype maps": {"prototype_asked"},
}
"""Where a promise cannot be broken alone."""


@pytest.fixture(scope="module")
def made():
    """A case with its images in an order that hides an order's effect."""
    made = make_case(training=60, test=60, images=6, image_size=20)
    order = made.batch.images.flatten(1).sum(1).argsort()
    batch = dataclasses.replace(
        made.batch, images=made.batch.images[order], labels=made.batch.labels[order], indices=made.batch.indices[order]
    )
    return dataclasses.replace(made, batch=batch, seconds=LIMIT)


@pytest.fixture
def case(made, monkeypatch):
    """A copy of the case, since some of these explainers spoil it; its clock goes when an explainer says so."""
    monkeypatch.setattr("sembench.testing.honesty.perf_counter", lambda: CLOCK[0])
    yield copy.deepcopy(made)
    for handle in HANDLES:
        handle.remove()
    HANDLES.clear()


def broken(outcomes):
    return {outcome.check: outcome.said for outcome in outcomes if outcome.state == "broken"}


@pytest.mark.slow
@pytest.mark.parametrize(("how", "check", "message"), [(how, *meant) for how, meant in WRONG.items()], ids=WRONG)
def test_a_broken_promise_is_caught_by_its_check_and_by_no_other(case, how, check, message):
    found = broken(examine(Wrong(prototypes_per_class=2, how=how), case))
    assert set(found) - ACCOMPANIED.get(how, set()) == {check}, found
    assert re.search(message, found[check]), found[check]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "unchecked"),
    [
        ("nothing", set()),
        ("only class map", {"prototype_asked"}),
        ("only prototype maps", {"class_asked", "conservation"}),
    ],
)
def test_the_same_explainer_without_a_fault_keeps_every_promise_with_both_maps_or_one(case, how, unchecked):
    outcomes = examine(Wrong(prototypes_per_class=2, how=how), case)
    assert broken(outcomes) == {}
    assert {outcome.check for outcome in outcomes if outcome.state == "not checked"} - {"device"} == unchecked


def test_every_check_has_a_wrong_explainer():
    assert {check for check, _ in WRONG.values()} == set(CHECKS)
    assert len(WRONG) >= 20


@dataclass(frozen=True)
class Excepted(Wrong):
    """A method that says what it cannot do."""

    exceptions = {"recipe": "its rate is not a number before the first fit"}


def test_a_declared_exception_is_shown_with_its_reason(monkeypatch, case):
    monkeypatch.setattr("sembench.testing.report.CHECKS", {"recipe": CHECKS["recipe"]})
    (outcome,) = examine(Excepted(how="no JSON"), case)
    assert (outcome.state, outcome.said) == ("excepted", "its rate is not a number before the first fit")


def test_the_report_names_promise_observation_and_where_to_read(monkeypatch, case):
    monkeypatch.setattr("sembench.testing.report.CHECKS", {"recipe": CHECKS["recipe"]})
    report = "\n".join(lines(examine(Wrong(how="no JSON"), case)))
    assert "broken      recipe              Wrong: hyper-parameters must be JSON" in report
    assert "see sembench.testing.answers.check_recipe" in report
    assert "0 of 1 promises kept, 1 broken" in report


def test_an_explainer_that_crashes_breaks_the_promise_that_was_checked(monkeypatch, case):
    def crash(explainer, case):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("sembench.testing.report.CHECKS", {"recipe": crash})
    (outcome,) = examine(Wrong(), case)
    assert (outcome.state, outcome.said) == ("broken", "ZeroDivisionError: division by zero")
