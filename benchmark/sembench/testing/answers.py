"""Checks that answers are what is declared: recipe, capabilities, shapes, finite values, probabilities, head."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import torch
from torch import Tensor

from sembench.errors import ContractBroken, NotOffered, SembenchError
from sembench.explainers.explainer import Explainer, SelfExplainableModel
from sembench.testing.case import CLASS_MAP, Case, close, explain, fit, gap, map_questions, maps, offered, require
from sembench.types import OF_DATA, SHARED, Capability, check_explanation, check_finite, check_shape

_INNER = (Capability.EMBEDDINGS, Capability.PROBABILITIES)
"""A model may have these for its own use, although its prototypes are no embeddings or nothing is calibrated."""


def check_recipe(explainer: Explainer, case: Case) -> None:
    """A recipe is a frozen dataclass whose fields can be written as JSON."""
    frozen = dataclasses.is_dataclass(explainer) and explainer.__dataclass_params__.frozen  # type: ignore[attr-defined]
    require(frozen, explainer, "a recipe is a frozen dataclass", "this one can be changed after it was made")
    try:
        json.dumps(explainer.hyperparameters(), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ContractBroken(f"{type(explainer).__name__}: hyper-parameters must be JSON, but {error}.") from error


def check_capabilities(explainer: Explainer, case: Case) -> None:
    """A declared capability works; an undeclared one has a reason in ``lacks``, and is refused or empty."""
    both = frozenset(explainer.lacks) & explainer.supports
    require(not both, explainer, "a capability is supported or lacking", f"{sorted(both)} are both")
    silent = frozenset(Capability) - OF_DATA - explainer.supports - frozenset(explainer.lacks)
    require(not silent, explainer, "`lacks` says why a capability is missing", f"it is silent on {sorted(silent)}")
    model, images = fit(explainer, case), case.batch.images.clone()
    asked: dict[Capability, Callable[[], Tensor]] = {
        Capability.PROTOTYPE_SIMILARITIES: model.prototype_similarities,
        Capability.ATTRIBUTION: lambda: _some_map(model, images),
        Capability.EMBEDDINGS: lambda: model.embed(images),
        Capability.PROBABILITIES: lambda: model.probabilities(images),
    }
    for capability, ask in asked.items():
        try:
            answer = ask()
        except (NotImplementedError, SembenchError) as error:
            declared = capability in explainer.supports
            seen = f"{capability.value} are declared, and asking for them raises {type(error).__name__}: {error}"
            require(not declared, explainer, "a declared capability works", seen)
        else:
            kept = capability in explainer.supports or capability in _INNER or answer.numel() == 0
            seen = f"{capability.value} are not declared, and asking for them gives {tuple(answer.shape)} numbers"
            require(kept, explainer, "an undeclared capability is refused (NotImplementedError)", seen)
    has, count = Capability.SIMILARITIES in explainer.supports, len(model.prototypes)
    seen = f"P is {count}, and similarities to prototypes are {'' if has else 'not '}declared"
    require(has == (count > 0), explainer, "prototypes are declared", seen)


def _some_map(model: SelfExplainableModel, images: Tensor) -> Tensor:
    """One of the model's two maps; either may be refused (`NotOffered`), since the other one stands in. Asks for both.

    Raises:
        NotOffered: If both are.
    """
    found, reasons = [], []
    for ask in map_questions(model, images).values():
        try:
            found.append(ask())
        except NotOffered as reason:
            reasons.append(str(reason))
    if not found:
        raise NotOffered("; ".join(reasons))
    return found[0]


def check_shapes(explainer: Explainer, case: Case) -> None:
    """Everything that is declared comes out in the right shape, and every prototype has a class that exists."""
    model, who, classes = fit(explainer, case), type(explainer).__name__, case.dataset.n_classes
    prototypes, images = model.prototypes, case.batch.images
    explanation = explain(model, images)
    plain = dataclasses.replace(
        explanation,
        class_scores=torch.nan_to_num(explanation.class_scores),
        similarities=torch.nan_to_num(explanation.similarities),
    )
    check_explanation(plain, len(images), classes, prototypes, who)
    inside = (prototypes.classes >= SHARED) & (prototypes.classes < classes)
    seen = f"they run from {prototypes.classes.min()} to {prototypes.classes.max()}" if len(prototypes) else ""
    require(bool(inside.all()), explainer, f"prototype classes lie in [-1, {classes})", seen)
    similarities = offered(explainer, Capability.PROTOTYPE_SIMILARITIES, model.prototype_similarities)
    if similarities is not None:
        check_shape("prototype_similarities", similarities, (len(prototypes), len(prototypes)), who)
    points = offered(explainer, Capability.EMBEDDINGS, lambda: model.embed(images.clone()))
    if points is not None:
        check_shape("embeddings", points, (len(images), prototypes.vectors.shape[1], *points.shape[2:]), who)
    for name, values in maps(explainer, model, images).items():
        check_shape(name, values, (len(images), *images.shape[2:]), who)


def check_single_prototypes(explainer: Explainer, case: Case) -> None:
    """Decoded prototypes and their origins come out in the right shape, or are refused with a reason."""
    model, who = fit(explainer, case), type(explainer).__name__
    count = len(model.prototypes)
    if count == 0:
        return
    shapes: dict[str, tuple[Callable[[], Tensor], tuple[int, ...]]] = {
        "decoded prototypes": (lambda: model.decode(model.prototypes.vectors), (count, *case.batch.images.shape[1:])),
        "prototype_origins": (model.prototype_origins, (count, 3)),
    }
    for what, (ask, shape) in shapes.items():
        try:
            answer = ask()
        except NotOffered as reason:
            require(bool(str(reason)), explainer, f"what is not offered has a reason ({what})", "there is none")
        else:
            check_shape(what, answer, tuple(shape), who)
            check_finite(what, answer, who)


def check_finite_values(explainer: Explainer, case: Case) -> None:
    """Every score, similarity, prototype and relevance is a finite number."""
    model, who = fit(explainer, case), type(explainer).__name__
    explanation = explain(model, case.batch.images)
    check_finite("class_scores", explanation.class_scores, who)
    check_finite("similarities", explanation.similarities, who)
    check_finite("prototypes", model.prototypes.vectors, who)
    similarities = offered(explainer, Capability.PROTOTYPE_SIMILARITIES, model.prototype_similarities)
    if similarities is not None:
        check_finite("prototype_similarities", similarities, who)
    for name, values in maps(explainer, model, case.batch.images).items():
        check_finite(name, values, who)


def check_probabilities(explainer: Explainer, case: Case) -> str | None:
    """Class probabilities are non-negative, sum to 1, and follow from the explanation alone."""
    if Capability.PROBABILITIES not in explainer.supports:
        return "no probabilities are declared"
    model = fit(explainer, case)
    with torch.no_grad():
        direct = model.probabilities(case.batch.images.clone())
    check_shape("probabilities", direct, (len(case.batch), case.dataset.n_classes), type(explainer).__name__)
    sums = direct.sum(1)
    valid = bool((direct >= 0).all()) and close(sums, torch.ones_like(sums))
    seen = f"the least is {direct.min():.3g}, and sums run to {sums.max():.3g}"
    require(valid, explainer, "probabilities are non-negative and sum to 1", seen)
    derived = model.class_probabilities(explain(model, case.batch.images))
    require(close(direct, derived), explainer, "probabilities follow from the explanation", gap(direct, derived))
    return None


def check_transparent_head(explainer: Explainer, case: Case) -> str | None:
    """A declared head, ``class_scores``, computes the class scores from the similarities that the explanation shows."""
    model = fit(explainer, case)
    head = getattr(model, "class_scores", None)
    if head is None:
        return "the model declares no head, `class_scores`"
    explanation = explain(model, case.batch.images)
    shown = explanation.similarity_maps if model.points == "cell" else explanation.similarities
    require(shown is not None, explainer, "a head has similarities to decide on", "the explanation shows none")
    with torch.no_grad():
        again = head(shown)
    seen = gap(again, explanation.class_scores)
    require(close(again, explanation.class_scores), explainer, "the head makes the decision from similarities", seen)
    return None


def check_conservation(explainer: Explainer, case: Case) -> str | None:
    """The relevance of a class map sums to the class's probability, if biases of the network keep none of it."""
    if explainer.kind == "control":
        return "a control need not claim it"
    unclaimed = "the recipe has no `bias` to claim conservation with"
    if getattr(explainer, "bias", None) is None or Capability.ATTRIBUTION not in explainer.supports:
        return unclaimed
    claiming = dataclasses.replace(explainer, bias="zero")  # type: ignore[call-arg]
    model, images = fit(claiming, case), case.batch.images
    relevance = maps(claiming, model, images).get(CLASS_MAP)
    if relevance is None or model.bias != "zero":
        return unclaimed
    explanation = explain(model, images)
    seeds = model.class_probabilities(explanation).gather(1, explanation.predictions[:, None])[:, 0]
    sums = relevance.flatten(1).double().sum(1)
    there = torch.isfinite(sums)
    seen = (
        f"sums run from {sums.min():.3g} to {sums.max():.3g}, probabilities from {seeds.min():.3g} to {seeds.max():.3g}"
    )
    kept = close(sums[there], seeds[there].double(), 0.02)
    require(kept, explainer, 'relevance is conserved under bias="zero"', seen)
    return None
