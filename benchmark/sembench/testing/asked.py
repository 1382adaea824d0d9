"""Checks that a relevance map is one of what it was asked for: this class, this prototype."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sembench.errors import NotOffered
from sembench.explainers.explainer import Explainer
from sembench.testing.case import CLASS_MAP, PROTOTYPE_MAP, Case, explain, fit, offered, require
from sembench.types import Capability, check_finite

_DIFFERENT = 1e-4
"""Share of relevance that has to lie elsewhere on one image at least. Maps that ignore the question agree up to
rounding, 1e-7; those of ProtoPNet, the most alike among the baselines, differ by 1e-3 and more. [ours]"""


def check_class_asked(explainer: Explainer, case: Case) -> str | None:
    """A class map depends on the class that it is asked for, and not in its scale alone."""
    model, images = fit(explainer, case), case.batch.images
    scores = torch.nan_to_num(explain(model, images).class_scores[:, : case.dataset.n_classes])
    classes = [scores.argmax(1), scores.argmin(1)]
    return _heeded(explainer, CLASS_MAP, lambda chosen: model.attribute(images.clone(), chosen), classes)


def check_prototype_asked(explainer: Explainer, case: Case) -> str | None:
    """A prototype map depends on the prototype that it is asked for, and not in its scale alone."""
    model, images = fit(explainer, case), case.batch.images
    count = len(model.prototypes)
    if count < 2:
        return "there are no two prototypes to ask for"
    order = torch.nan_to_num(explain(model, images).similarities).argsort(1, descending=True)
    prototypes = [order[:, place] for place in sorted({0, count // 2, count - 1})]
    return _heeded(
        explainer, PROTOTYPE_MAP, lambda chosen: model.attribute_prototypes(images.clone(), chosen), prototypes
    )


def _heeded(explainer: Explainer, name: str, ask: Callable[[Tensor], Tensor], questions: list[Tensor]) -> str | None:
    """Compares the first question's maps with those of the others; a reason where there was nothing to compare."""
    try:
        found = offered(explainer, Capability.ATTRIBUTION, lambda: [ask(question).detach() for question in questions])
    except NotOffered as reason:
        return str(reason)
    if found is None:
        return "no relevance of pixels is offered"
    for answer in found:
        check_finite(name, answer, type(explainer).__name__)
    if explainer.kind == "control":
        return "a control need not"
    shares = [answer.flatten(1).double() for answer in found]
    shares = [part / part.abs().sum(1, keepdim=True).clamp_min(1e-30) for part in shares]
    most = max(float((shares[0] - other).abs().sum(1).max()) / 2 for other in shares[1:])
    seen = f"another one moves {most:.1%} of the relevance at most"
    require(most > _DIFFERENT, explainer, f"a {name} depends on what is asked for", seen)
    return None
