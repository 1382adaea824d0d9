"""The two maps of a model, and what stands in where it offers only one of them.

[K] has two: relevance of the predicted class's probability (section 4.3.2, compared by LRP-KL), and relevance "with
respect to the most similar prototypes" (section 4.2.2, followed by RO-AUROC, and shown). A method of somebody else's
may have only one. It is scored with that one, and its result says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, NoReturn

import torch
from torch import Tensor

from sembench.errors import NotOffered, RelevanceUndefined
from sembench.explainers.explainer import SelfExplainableModel
from sembench.relevance.fallback import noting
from sembench.types import Prototypes, of_class

NO_CLASS_MAP = "the model has no relevance of classes: that of the most similar prototype stands in"
NO_PROTOTYPE_MAP = "the model has no relevance of prototypes: that of the decided class stands in"


class Maps(NamedTuple):
    """Relevance maps ``(B, H, W)``, which map stands in, and how they were made; empty where none does, or by LRP."""

    relevance: Tensor
    stand_in: str
    made: str = ""

    @property
    def note(self) -> str:
        """What a reader of scores must know: which map stands in, how it was made, and how many maps say nothing."""
        blank = int((self.relevance == 0).flatten(1).all(1).sum())
        said = f"{blank} of {len(self.relevance)} maps are 0 everywhere" if blank else ""
        return "; ".join(part for part in (self.stand_in, self.made, said) if part)


def shows_class_maps(model: SelfExplainableModel) -> bool:
    """Whether a model shows its decisions by class maps: it has no prototypes, or an attribution of its own."""
    return model.explains_by == "class" or len(model.prototypes) == 0


def class_maps(model: SelfExplainableModel, images: Tensor) -> Maps:
    """The model's class map, of the classes that its method explains by default: the decided ones, or [C]'s.

    Args:
        model: The fitted model.
        images: Normalised images ``(B, 3, H, W)``.

    Returns:
        Maps ``(B, H, W)``. Costs one attribution; one forward pass more where a prototype map stands in.

    Raises:
        NotOffered: If the model has neither map.
        RelevanceUndefined: If a step of the model has no rule of relevance.

    References:
        [K] section 4.3.2.
    """
    try:
        return _noted(lambda: model.attribute(images))
    except NotOffered as reason:
        if len(model.prototypes) == 0:
            _refuse(reason)
    try:
        return _noted(lambda: _of_most_similar(model, images), NO_CLASS_MAP)
    except NotOffered as reason:
        _refuse(reason)


def prototype_maps(model: SelfExplainableModel, images: Tensor) -> Maps:
    """The map by which the model shows its decision: that of the decided class's most similar prototype.

    A model without prototypes, or with an attribution of its own (``explains_by = "class"``), shows its class map.

    Args:
        model: The fitted model.
        images: Normalised images ``(B, 3, H, W)``.

    Returns:
        Maps ``(B, H, W)``. Costs one forward pass and one attribution; a class map costs no forward pass.

    Raises:
        NotOffered: If the model has neither map.

    References:
        [K] section 4.2.2.
    """
    if shows_class_maps(model):
        return class_maps(model, images)
    try:
        return _noted(lambda: _of_most_similar(model, images))
    except NotOffered:
        return class_maps(model, images)._replace(stand_in=NO_PROTOTYPE_MAP)


def own_prototypes(classes: Tensor, prototype_classes: Tensor) -> Tensor:
    """Which prototypes are of the class of each image, ``(B, P)``, bool; a shared one is of every class.

    A class without prototypes, as an attribute network's may be, has all of them [ours].
    """
    own = of_class(classes, prototype_classes)
    return own | ~own.any(1, keepdim=True)


def most_similar(similarities: Tensor, prototypes: Prototypes, classes: Tensor) -> Tensor:
    """Index of the prototype most similar to each image among its class's `own_prototypes`, the first of equals.

    Args:
        similarities: ``(B, P)``.
        prototypes: The model's prototypes.
        classes: Class of each image ``(B,)``.

    Returns:
        ``(B,)``, int64.

    Examples:
        >>> two = Prototypes(torch.zeros(2, 1), torch.tensor([0, 1]))
        >>> most_similar(torch.tensor([[3.0, 2.0], [3.0, 2.0]]), two, torch.tensor([0, 1])).tolist()
        [0, 1]
    """
    return similarities.masked_fill(~own_prototypes(classes, prototypes.classes), -torch.inf).argmax(1)


def _noted(make: Callable[[], Tensor], stand_in: str = "") -> Maps:
    with noting() as ways:
        relevance = make()
    return Maps(relevance, stand_in, "; ".join(ways))


def _of_most_similar(model: SelfExplainableModel, images: Tensor) -> Tensor:
    with torch.no_grad():
        explanation = model(images)
    return model.attribute_prototypes(
        images, most_similar(explanation.similarities, model.prototypes, explanation.predictions)
    )


def _refuse(reason: NotOffered) -> NoReturn:
    if isinstance(reason, RelevanceUndefined):
        raise reason
    raise NotOffered(
        f"{reason}, and no other map stands in: write `attribute` or `attribute_prototypes`, or leave "
        "Capability.ATTRIBUTION out of `supports`"
    ) from reason
